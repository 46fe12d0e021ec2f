"""Haraka's processes, taken together."""

import json
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.collectors.haraka import HarakaCollector
from agent.config import Config
from agent.config import Receiver as ReceiverSettings
from agent.errors import SourceAbsent
from agent.events.receiver.plugin_status import PluginRegistry
from agent.events.receiver.server import Receiver
from agent.status import AgentStatus
from build.stack import haraka as stack
from build.stack import sink as sink_stack
from build.stack.supervisor import Supervisor
from tests.waiting import until

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
    status = AgentStatus(plugins=SimpleNamespace(haraka_processes=lambda: processes))
    return json.loads(HarakaCollector(Config(node_id="mx-01"), status).collect())


def test_all_processes_make_one_sample_with_exactly_the_published_names(golden):
    contract = golden("metrics_haraka.json")

    sample = collect([PROCESS, YOUNG])

    assert sample.keys() == contract.keys()
    assert sample["haraka"].keys() == contract["haraka"].keys()
    assert sample["haraka"]["processes_count"] == 2
    assert sample["haraka"]["connections_total"] == 5012
    assert sample["haraka"]["memory_rss_bytes"] == 160_000_000
    assert sample["haraka"]["uptime_s"] == 3600


def test_during_an_upgrade_the_new_version_is_reported():
    assert collect([PROCESS, YOUNG])["haraka"]["version"] == "3.3.5"


def test_without_a_plugin_that_says_anything_there_is_no_haraka():
    with pytest.raises(SourceAbsent, match="plugin"):
        collect([])


@pytest.mark.stack
def test_a_real_haraka_says_its_counters_through_its_plugin(spool, in_thread):
    readings = PluginRegistry()
    # Not tmp_path: a unix socket's path may have only 107 characters.
    with tempfile.TemporaryDirectory(prefix="ml-") as name, Supervisor(Path(name)) as supervisor:
        folder = Path(name)
        receiver = Receiver(spool, ReceiverSettings(), folder, node="mx-01", plugins=readings)
        receiver.open()
        in_thread(receiver)
        sink = sink_stack.start(supervisor)
        stack.start(
            supervisor,
            folder,
            sink_port=sink.port,
            plugin_socket=receiver.path,
            readings_ms=1000,
        )
        collector = HarakaCollector(Config(node_id="mx-01"), AgentStatus(plugins=readings))
        until(readings.haraka_processes)

        readings = json.loads(collector.collect())["haraka"]

    assert (readings["version"], readings["processes_count"]) == ("3.3.4", 1)
    # That of the one who waited for it to be ready.
    assert readings["connections_total"] >= 1
    assert readings["memory_rss_bytes"] > 2**20
