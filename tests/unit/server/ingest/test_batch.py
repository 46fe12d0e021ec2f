"""Both ways of decoding a batch agree: at once where all items are valid, else one by one."""

import copy
import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.events.columns import NAMES
from server.events.mapping import Context, copy_line
from server.ingest.parsing.batch import parse_event_batch
from server.ingest.parsing.text import clean_json

NOW = datetime(2026, 11, 21, 10, 10, tzinfo=UTC)
CONTEXT = Context.at(NOW, node="mta-01", retention=timedelta(days=180))
GOOD = {
    "event_id": "a6e612ff-3ae6-55ff-b3b7-aaf16d8eae41",
    "occurred_at": "2026-11-21T10:07:10.228Z",
    "event_type": "bounced",
    "direction": "outbound",
    "has_attachment": True,
    "message_size_bytes": 12,
    "spam_score": 1.5,
    "spam_symbols": ["A", "B"],
}


def one_by_one(events):
    return [copy_line(clean_json(json.dumps(event).encode()), CONTEXT) for event in events]


def take(body, context=CONTEXT):
    return parse_event_batch(body.encode(), context, max_events=100)


@given(st.text(max_size=40), st.text(max_size=40), st.booleans())
def test_a_batch_read_at_once_gives_the_same_lines_as_its_events_one_by_one(
    reply, name, ascii_only
):
    events = [
        GOOD | {"bounce_message": reply, "from_address": f"{name}@Corp.example"},
        GOOD | {"to_address": name, "spam_symbols": [reply]},
    ]
    body = json.dumps({"epoch": "e", "first_seq": 7, "events": events}, ensure_ascii=ascii_only)

    assert take(body).accepted == one_by_one(events)


def test_booleans_and_numbers_are_written_as_postgresql_reads_them():
    (line,) = take(json.dumps([GOOD])).accepted

    row = dict(zip(NAMES, line.split("\t"), strict=True))
    assert (row["has_attachment"], row["message_size_bytes"]) == ("True", "12")
    assert (row["spam_score"], row["spam_symbols"]) == ("1.5", '{"A","B"}')


@pytest.mark.parametrize("bad", [{"event_type": "lost"}, {"event_id": 3}, {"sending_ip": "x"}])
def test_one_bad_event_costs_the_others_of_its_batch_nothing(bad):
    batch = take(json.dumps({"epoch": "e", "first_seq": 1, "events": [GOOD, GOOD | bad, GOOD]}))

    assert batch.accepted == one_by_one([GOOD, GOOD])
    assert [refused["index"] for refused in batch.rejected] == [1]


def test_the_name_of_a_node_is_escaped_though_the_body_is_plain():
    hostile = copy.copy(CONTEXT)
    object.__setattr__(hostile, "node", "mta\t01\\")

    (line,) = take(json.dumps([GOOD]), hostile).accepted

    assert line.split("\t")[NAMES.index("mta_node")] == "mta\\t01\\\\"


def test_json_texts_hold_no_control_characters_without_a_backslash():
    # What lets a plain body skip the escaping.
    for code in range(32):
        with pytest.raises(msgspec.DecodeError):
            msgspec.json.decode(b'"' + bytes([code]) + b'"')
