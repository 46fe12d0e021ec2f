"""Haraka's processes, taken together."""

import json

import pytest

from agent.collectors.haraka import HarakaCollector
from agent.config import Config
from agent.errors import SourceAbsent

PROCESS = {
    "process": "haraka/1",
    "version": "3.3.4",
    "uptime_s": 3600,
    "connections_total": 5000,
    "connections_current_count": 4,
    "transactions_total": 4700,
    "recipients_delivered_total": 4000,
    "recipients_rejected_total": 500,
    "recipients_greylisted_total": 130,
    "recipients_deferred_total": 50,
    "memory_rss_bytes": 80_000_000,
    "plugin_dropped_total": 0,
}
YOUNG = PROCESS | {
    "process": "haraka/2",
    "version": "3.3.5",
    "uptime_s": 10,
    "connections_total": 12,
}


def collect(processes):
    return json.loads(HarakaCollector(Config(node_id="mx-01"), lambda: processes).collect())


def test_all_processes_make_one_sample_with_exactly_the_published_names(golden):
    contract = golden("metrics_haraka.json")

    sample = collect([PROCESS, YOUNG])

    assert sample.keys() == contract.keys()
    assert sample["haraka"].keys() == contract["haraka"].keys()
    assert sample["haraka"]["processes_count"] == 2
    assert sample["haraka"]["connections_total"] == 5012
    assert sample["haraka"]["memory_rss_bytes"] == 160_000_000
    assert sample["haraka"]["uptime_s"] == 3600


def test_during_an_upgrade_the_new_version_is_told():
    assert collect([PROCESS, YOUNG])["haraka"]["version"] == "3.3.5"


def test_without_a_plugin_that_says_anything_there_is_no_haraka():
    with pytest.raises(SourceAbsent, match="plugin"):
        collect([])
