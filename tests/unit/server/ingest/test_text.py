"""Text from outside: clean, and never the reason why a body or a batch is refused."""

import gzip
import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.events.columns import NAMES
from server.events.mapping import Context
from server.ingest.errors import TooLarge
from server.ingest.parsing.batch import parse_event_batch
from server.ingest.parsing.body import unpack
from server.ingest.parsing.text import clean_json

NOW = datetime(2026, 11, 21, 10, 10, tzinfo=UTC)
CONTEXT = Context.at(NOW, node="mta-01", retention=timedelta(days=180))
GOOD = {
    "event_id": "a6e612ff-3ae6-55ff-b3b7-aaf16d8eae41",
    "occurred_at": "2026-11-21T10:07:10.228Z",
    "event_type": "deferred",
    "direction": "outbound",
    "status_message": "TEXT",
}


def take(*texts: bytes, max_events: int = 100):
    """Read a batch of one event for each JSON text."""
    good = json.dumps(GOOD).encode()
    body = b"[" + b",".join(good.replace(b'"TEXT"', text) for text in texts) + b"]"
    return parse_event_batch(body, CONTEXT, max_events=max_events)


def reply(line: str) -> str:
    return line.split("\t")[NAMES.index("status_message")]


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        (rb'"a\u0000b"', "a\ufffdb"),
        (rb'"a\u001b[31mb"', "a\ufffd[31mb"),
        (rb'"a\bb\u007f"', "a\ufffdb\ufffd"),
        (b'"a\x7fb"', "a\ufffdb"),
        ('"a\u0085\u009bb"'.encode(), "a\ufffd\ufffdb"),
        (rb'"a\ud800b"', "a\ufffdb"),
        (rb'"\udc00\ud83d\ude00"', "\ufffd\U0001f600"),
        (rb'"a\\ud800\\u0000"', r"a\\ud800\\u0000"),
        (rb'"a\u202eb\u2066c"', "abc"),
        ('"a\u202eb\u200fc\ufeff"'.encode(), "abc"),
        (rb'"a\r\n\tb"', r"a\r\n\tb"),
        (b'"a\xffb"', "a\ufffdb"),
        (b"NaN", "\\N"),
    ],
)
def test_a_hostile_text_is_cleaned_and_its_event_and_its_neighbours_are_taken(text, stored):
    batch = take(b'"250 OK"', text, b'"250 OK"')

    assert not batch.rejected
    assert [reply(line) for line in batch.accepted] == ["250 OK", stored, "250 OK"]


def test_a_byte_order_mark_is_no_reason_to_refuse_a_body():
    body = b"\xef\xbb\xbf" + json.dumps([GOOD]).encode()

    assert len(parse_event_batch(body, CONTEXT, max_events=1).accepted) == 1


@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"Infinity"])
def test_what_is_no_number_is_null_and_a_text_of_it_is_kept(number):
    text = b'"NaN \\" Infinity", "spam_score": ' + number

    batch = take(text, b'"250 OK"')

    assert len(batch.accepted) == 2
    assert reply(batch.accepted[0]) == 'NaN " Infinity'


def test_several_gzip_members_are_one_body_within_the_same_bound():
    packed = gzip.compress(b"[1,") + gzip.compress(b"2]")

    assert unpack(packed, 6) == b"[1,2]"
    with pytest.raises(TooLarge):
        unpack(packed, 4)


@given(st.text(), st.booleans())
def test_clean_json_is_json_and_cleaning_it_again_changes_nothing(text, ascii_only):
    body = json.dumps([text], ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")

    cleaned = clean_json(body)

    msgspec.json.decode(cleaned)
    assert clean_json(cleaned) == cleaned


def test_values_are_counted_before_any_is_made():
    with pytest.raises(TooLarge):
        parse_event_batch(b"[" + b"1," * 10_000 + b"1]", CONTEXT, max_events=10)


def test_escapes_are_counted_before_each_is_looked_at():
    with pytest.raises(TooLarge):
        parse_event_batch(b'["' + b"\\n" * 10_000 + b'"]', CONTEXT, max_events=10)
