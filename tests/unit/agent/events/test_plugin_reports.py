"""Reports of the plugins' processes and of the events they dropped."""

import pytest

from agent import clock
from agent.events.plugin_reports import MAX_PROCESSES, PluginReport, parse_report, record_report
from agent.spool import read_summary


def record(spool, report):
    with spool.begin() as tx:
        record_report(tx, report, clock.now_ms())


def test_drops_of_a_plugin_are_counted_once_over_restarts_of_both(make_spool, tmp_path):
    spool = make_spool()
    for number in (0, 3, 3, 5):
        record(spool, PluginReport("sender/default/79", number))
    spool.close()
    spool = make_spool()
    record(spool, PluginReport("sender/default/79", 6))
    record(spool, PluginReport("main/1", 2))
    record(spool, PluginReport("main/1", 1))  # began anew, dropped one since

    shown = read_summary(tmp_path)["plugin"]
    assert shown["dropped"] == 6 + 2 + 1
    assert shown["processes_count"] == 2
    assert shown["heard_at"]


def test_the_memory_of_plugin_processes_is_bounded(spool):
    with spool.begin() as tx:
        for number in range(MAX_PROCESSES + 20):
            record_report(tx, PluginReport(f"main/{number}", 1), number)

        (count,) = tx.execute("SELECT count(*) FROM plugin_processes").fetchone()
        assert count == MAX_PROCESSES
        assert tx.counter("plugin.dropped") == MAX_PROCESSES + 20


@pytest.mark.parametrize(
    ("process", "dropped", "expected"),
    [
        ("main/77", "5", PluginReport("main/77", 5)),
        ("main/77", None, PluginReport("main/77", 0)),
        ("main/77", "-3", PluginReport("main/77", 0)),
        ("main/77", "lots", PluginReport("main/77", 0)),
        ("main/77", "9" * 5000, PluginReport("main/77", 2**53)),
        ("x" * 300, "1", PluginReport("x" * 100, 1)),
        (None, "5", None),
        ("  ", "5", None),
    ],
)
def test_the_headers_of_a_plugin_are_taken_within_bounds(process, dropped, expected):
    assert parse_report(process, dropped) == expected
