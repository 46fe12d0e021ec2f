"""The agent knows the server's reasons for refusals that pass, and keeps what they refuse."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from agent.transport.refusals import Cause, find_cause
from server.events.mapping import Context
from server.ingest.errors import NodeMismatch
from server.ingest.parsing.batch import parse_event_batch, parse_sample_batch

NOW = datetime(2026, 11, 21, 10, 10, tzinfo=UTC)
AHEAD = (NOW + timedelta(minutes=11)).isoformat()
BOUND = Context.at(NOW, node="mta-01", retention=timedelta(days=30))
UNBOUND = Context.at(NOW, node=None, retention=timedelta(days=30))


@pytest.fixture
def event(golden):
    return golden("events_batch.json")["events"][0]


def refuse_event(event, context):
    return parse_event_batch(json.dumps([event]).encode(), context, max_events=1).rejected[0]


def test_an_event_ahead_of_time(event):
    refusal = refuse_event(event | {"mta_node": "mta-01", "occurred_at": AHEAD}, BOUND)

    assert find_cause(refusal["error"]) is Cause.TIME
    assert find_cause("in other words", refusal["code"]) is Cause.TIME


def test_a_sample_ahead_of_time(golden):
    sample = golden("metrics_redis.json") | {"node_id": "mta-01", "timestamp": AHEAD}
    batch = parse_sample_batch("redis", json.dumps(sample).encode(), BOUND, max_samples=1)

    assert find_cause(batch.rejected[0]["error"]) is Cause.TIME
    assert find_cause("in other words", batch.rejected[0]["code"]) is Cause.TIME


def test_an_event_without_a_node_under_a_key_of_no_node(event):
    refusal = refuse_event(
        {k: v for k, v in event.items() if k != "mta_node"} | {"occurred_at": NOW.isoformat()},
        UNBOUND,
    )

    assert find_cause(refusal["error"]) is Cause.NODE
    assert find_cause("in other words", refusal["code"]) is Cause.NODE


def test_an_event_of_another_node(event):
    with pytest.raises(NodeMismatch) as raised:
        refuse_event(event | {"mta_node": "mta-02", "occurred_at": NOW.isoformat()}, BOUND)

    assert find_cause(str(raised.value.detail)) is Cause.NODE
    assert find_cause("in other words", raised.value.detail["code"]) is Cause.NODE


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("event_type", "exploded", "invalid"),
        ("sending_ip", "somewhere", "invalid"),
        ("occurred_at", "2020-01-01T00:00:00Z", "too_old"),
        ("occurred_at", "2036-01-01T00:00:00Z", "time_ahead"),
    ],
)
def test_each_refusal_says_by_a_code_whether_it_passes(event, field, value, code):
    refusal = refuse_event(event | {"mta_node": "mta-01", field: value}, BOUND)

    assert refusal["code"] == code
    assert bool(find_cause(refusal["error"], refusal["code"])) == (code == "time_ahead")
