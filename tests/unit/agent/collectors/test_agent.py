"""The agent's own health."""

import json
import threading

import msgspec

from agent import samples
from agent.collector_thread import CollectorThread
from agent.collectors import build_collectors
from agent.collectors.agent import AgentCollector
from agent.config import Config
from agent.errors import SpoolError
from agent.events.receiver.plugin_status import PluginRegistry
from agent.samples import SpoolHealth
from agent.status import AgentStatus
from agent.transport.stats import TransportStats
from tests.agent_fixtures import MIB
from tests.waiting import until

CONFIG = Config(node_id="mta-01")


def test_the_golden_sample_reads_as_ours(golden):
    contract = golden("metrics_agent.json")

    read = msgspec.convert(contract["agent"], samples.AgentReadings, strict=False)

    sample = json.loads(AgentCollector(CONFIG, AgentStatus()).collect())
    assert sample.keys() == contract.keys()
    assert sample["agent"].keys() == contract["agent"].keys()
    assert msgspec.to_builtins(read).keys() == contract["agent"].keys()
    for kind in ("sources", "plugins", "reconciliation"):
        made = msgspec.to_builtins(read)[kind][0]
        assert made.keys() == contract["agent"][kind][0].keys()


def test_every_part_tells_its_figures(make_spool):
    spool = make_spool(max_event_bytes=MIB)
    with spool.begin() as tx:
        spool.events.append(tx, [b"{}", b"{}"])
    spool.append_sample(b"{}", source="redis")
    status = AgentStatus(
        collectors=[CollectorThread(build_collectors(CONFIG)[0], print, interval_s=15)],
        spool=spool,
        transport=TransportStats(),
        plugins=PluginRegistry(),
    )
    for number in range(7):
        status.transport.record_send(3.5, accepted=number > 0)
    status.plugins.note_events("zone-mta-monitor", "main", 3)
    collector = AgentCollector(CONFIG, status)

    collector.collect()
    readings = json.loads(collector.collect())["agent"]

    assert (readings["spooled_events_count"], readings["spooled_samples_count"]) == (2, 1)
    assert readings["oldest_event_at"] is not None
    assert (readings["spool_limit_bytes"], readings["sends_total"]) == (MIB, 7)
    assert (readings["send_failures_total"], readings["send_p95_ms"]) == (1, 3.5)
    assert readings["sources"][0]["interval_s"] == 15
    assert readings["plugins"][0]["dropped_total"] == 3
    assert readings["cpu_percent"] >= 0
    assert readings["memory_rss_bytes"] > 2**20
    assert readings["threads_count"] >= 1


def test_by_itself_it_knows_only_its_process():
    readings = json.loads(AgentCollector(CONFIG, AgentStatus()).collect())["agent"]

    assert readings["spooled_events_count"] is None
    assert readings["send_p95_ms"] is None
    assert readings["sources"] == []


def test_a_spool_that_cannot_be_read_leaves_the_rest(make_spool):
    spool = make_spool()
    spool.close()

    assert AgentStatus(spool=spool).spool_health() == SpoolHealth()


def test_a_source_tells_what_became_of_its_runs():
    collector = AgentCollector(CONFIG, AgentStatus())
    taken = []
    source = CollectorThread(collector, taken.append, interval_s=60)

    before = source.health()
    source.run_once()
    after = source.health()

    assert (before.runs_total, before.last_ms, before.succeeded_at) == (0, None, None)
    assert (after.runs_total, after.failures_total, after.last_error) == (1, 0, None)
    assert after.last_ms == after.max_ms
    assert after.succeeded_at is not None


def test_a_source_without_its_program_is_off_and_says_why():
    source = CollectorThread(build_collectors(Config(node_id="a"))[3], print, interval_s=60)
    assert source.name == "collect-haraka"

    source.run_once()

    readings = source.health()
    assert (readings.is_on, readings.failures_total, readings.runs_total) == (False, 0, 1)
    assert "plugin" in readings.last_error


def test_a_failure_is_counted_and_its_words_kept():
    def full(_):
        raise SpoolError("the disk is full")

    source = CollectorThread(AgentCollector(CONFIG, AgentStatus()), full, interval_s=60)
    source.run_once()

    assert (source.health().failures_total, source.health().last_error) == (1, "the disk is full")


def test_an_unforeseen_failure_neither_ends_the_thread_nor_fills_the_log(caplog):
    class Odd:
        name = "odd"

        def collect(self):
            raise ZeroDivisionError

        def close(self):
            pass

    source = CollectorThread(Odd(), print, interval_s=60)
    for _ in range(3):
        source.run_once()

    assert source.health().failures_total == 3
    assert "ZeroDivisionError" in source.health().last_error
    assert caplog.text.count("unexpected error.") == 1


def test_a_run_that_does_not_come_back_is_seen_from_outside(monkeypatch, in_thread, caplog):
    from agent import collector_thread

    monkeypatch.setattr(collector_thread, "MAX_RUN_S", 0.05)
    gate = threading.Event()

    class Hung:
        name = "hung"

        def collect(self):
            gate.wait(30)
            return b"{}"

        def close(self):
            pass

    source = CollectorThread(Hung(), lambda _: None, interval_s=60)
    in_thread(source)

    until(lambda: "stuck" in (source.health().last_error or ""))
    source.report_if_stuck()
    source.report_if_stuck()
    assert caplog.text.count("Collecting hung has been stuck for") == 1

    gate.set()
    until(lambda: source.stuck_s() is None)
    caplog.set_level("INFO")
    source.report_if_stuck()

    assert source.health().last_error is None
    assert "Collecting hung is no longer stuck" in caplog.text
