"""Status of the plugins, through the real socket and as the collectors see it."""

import json

import pytest

from agent.events.receiver import plugin_status as module
from agent.events.receiver.plugin_status import MAX_PROCESSES, PluginRegistry, parse_status
from tests.fakes.plugin_connection import post

HARAKA = {
    "version": "3.3.4",
    "uptime_s": 30,
    "connections_total": 12,
    "connections_current_count": 2,
    "transactions_total": 10,
    "recipients_delivered_total": 9,
    "recipients_rejected_total": 3,
    "recipients_greylisted_total": 1,
    "recipients_deferred_total": 0,
    "memory_rss_bytes": 90_000_000,
}


def make_status(process="haraka/77", **more):
    return {"plugin": "haraka-monitor", "process": process, **more}


def take(readings, **more):
    readings.update(parse_status(json.dumps(make_status(**more)).encode()))


def test_counters_of_haraka_reach_the_collector_through_the_receiver(receiver):
    body = make_status(haraka=HARAKA, dropped_total=4, not_known_yet=1)

    status, _ = post(receiver, json.dumps(body), path="/v1/readings")

    assert status == 202
    expected = HARAKA | {"process": "haraka/77", "plugin_dropped_total": 4}
    assert receiver.plugins.haraka_processes() == [expected]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (json.dumps(make_status(process="")).encode(), 400),
        (json.dumps(make_status(dropped_total=-1)).encode(), 400),
        (json.dumps(make_status(haraka={})).encode(), 400),
        (json.dumps(make_status(padding="x" * 20_000)).encode(), 413),
    ],
)
def test_an_invalid_status_is_refused(receiver, body, status):
    assert post(receiver, body, path="/v1/readings")[0] == status
    assert receiver.plugins.plugins() == []


def test_a_process_is_known_by_its_events_and_by_its_status(receiver):
    headers = {
        "User-Agent": "mallard-zone-mta-monitor",
        "X-Mallard-Process": "sender/default/79",
        "X-Mallard-Dropped": "3",
    }
    post(receiver, b"[]", headers=headers)
    post(receiver, json.dumps(make_status()), path="/v1/readings")

    lines = receiver.plugins.plugins()

    assert [(line.name, line.process, line.dropped_total) for line in lines] == [
        ("zone-mta-monitor", "sender/default/79", 3),
        ("haraka-monitor", "haraka/77", 0),
    ]
    assert all(line.heard_at.tzinfo for line in lines)


def test_events_in_between_leave_the_counters_unchanged():
    readings = PluginRegistry()
    take(readings, haraka=HARAKA)

    readings.note_events("haraka-monitor", "haraka/77", 5)

    (line,) = readings.haraka_processes()
    assert (line["connections_total"], line["plugin_dropped_total"]) == (12, 5)


def test_a_process_that_stopped_reporting_is_counted_no_longer(monkeypatch):
    readings = PluginRegistry()
    now_s = [1000.0]
    monkeypatch.setattr(module.clock, "monotonic_s", lambda: now_s[0])
    take(readings, haraka=HARAKA)
    now_s[0] += module.FRESH_S
    take(readings, process="haraka/78", haraka=HARAKA)
    assert len(readings.haraka_processes()) == 2

    now_s[0] += 1

    assert [line["process"] for line in readings.haraka_processes()] == ["haraka/78"]


def test_no_more_processes_are_known_than_a_node_can_have():
    readings = PluginRegistry()
    for number in range(MAX_PROCESSES + 10):
        take(readings, process=f"haraka/{number}")

    assert len(readings.plugins()) == MAX_PROCESSES
    assert readings.plugins()[0].process == "haraka/10"
