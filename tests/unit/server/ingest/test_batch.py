"""Both ways of decoding a batch agree: at once where all items are valid, else one by one."""

import copy
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from build.lab.traffic import SHARES, build_event
from server.events.columns import NAMES
from server.events.mapping import Context, copy_line
from server.events.mapping_fast_path import PlainEvent, is_mappable, plain_lines
from server.events.vocabulary import EVENT_TYPES
from server.ingest.errors import NodeMismatch
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


@settings(deadline=None)
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


ODD = ["", "null", "x" * 600, "a,b\tc", "Bücher", '"', "\\", "\\n", "\\N", "a\r\nb", "/", "\\U@\\N"]
TEXT = st.one_of(st.text(max_size=12), st.text('\\nN\n"@', max_size=4), st.sampled_from(ODD))
ADDRESS = st.one_of(
    TEXT,
    st.sampled_from(["<>", "a@B.example", "@", "a@b@Bücher.example", f"a@{'ü' * 250}", "ü@"]),
)
REPLY = st.sampled_from(
    [
        "", " ", "550 5.1.1 No such user", "451 4.7.1 Try again at 10:07", "x" * 600, "ü",
        '550 5.1.1 <"a b"@x.example>', "550 EXCH\\mbx: no such user", "550-one\r\n550\ttwo", "\\",
    ]
)  # fmt: skip
TIME = st.sampled_from(
    [
        "2026-11-21T10:07:10.228Z", "2026-11-21T12:07:10+02:00", "2026-11-21T10:20:30Z",
        "2020-01-01T00:00:00Z", "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "now",
    ]
)  # fmt: skip
OWN: dict[str, st.SearchStrategy[object]] = {
    "occurred_at": TIME,
    "timestamp": TIME,
    "event_id": st.sampled_from(["A6E612FF-3AE6-55FF-B3B7-AAF16D8EAE42", "a6e612ff"]),
    "event_type": st.sampled_from([*EVENT_TYPES, "lost"]),
    "direction": st.sampled_from(["inbound", "outbound"]),
    "mta_node": st.sampled_from(["mta-01", "", "mta-02", "a\tb", "a\nb"]),
    "from_address": ADDRESS,
    "to_address": ADDRESS,
    **dict.fromkeys(("from_user", "from_domain", "to_domain", "message_id", "queue_seq"), TEXT),
    **dict.fromkeys(
        ("sending_ip", "client_ip"), st.sampled_from(["192.0.2.1", "2001:DB8::1", "fe80::1%e", "x"])
    ),
    "mx_host": st.sampled_from(
        ["mx1.google.com", "MX.destination.example", "", "ü", "[192.0.2.1]"]
    ),
    "status_code": st.sampled_from([250, 451, 550, 999]),
    "status_message": REPLY,
    "bounce_message": REPLY,
    "bounce_category": st.sampled_from(["recipient", "", "Spam"]),
    "attempt": st.integers(-1, 3),
    "has_attachment": st.booleans(),
    "spam_score": st.floats(-9, 99),
    "spam_symbols": st.lists(TEXT, max_size=3) | st.just(["S"] * 200),
    "replaces": st.sampled_from(["A6E612FF-3AE6-55FF-B3B7-AAF16D8EAE43"]),
    **dict.fromkeys(("provider", "bounce_class", "unknown_field"), TEXT),
    "node_occurred_at": TIME,
}
OR_NULL = {name: st.none() | each for name, each in OWN.items()}
ANY_EVENT, PLAIN_EVENT = (
    st.fixed_dictionaries({}, optional=fields).map(lambda own: GOOD | own)
    for fields in (OR_NULL, OWN)
)
CONTEXTS = st.builds(
    replace,
    st.just(CONTEXT),
    node=st.sampled_from(["mta-01", None]),
    ahead=st.sampled_from([timedelta(), timedelta(minutes=11), timedelta(hours=-1)]),
)


@settings(deadline=None)
@given(
    st.lists(ANY_EVENT, max_size=3) | st.lists(PLAIN_EVENT, max_size=3),
    CONTEXTS,
    st.sampled_from([0, 0, 3_600_000]),
)
def test_both_paths_give_the_same_lines_and_refusals(events, context, clock_set_ms):
    # What may be NULL, in a field that nobody reads, sends the second body to the reference path.
    body = {"epoch": "e", "first_seq": 7, "clock_set_ms": clock_set_ms, "events": events}
    at_once, one_by_one = (json.dumps(each, ensure_ascii=False) for each in (body, body | OTHER))

    assert outcome(at_once, context) == outcome(one_by_one, context)


OTHER = {"note": "\\N"}


def outcome(body: str, context: Context) -> object:
    try:
        return parse_event_batch(body.encode(errors="surrogatepass"), context, max_events=100)
    except NodeMismatch as error:
        return str(error.detail)


def test_events_as_agents_send_them_take_the_fast_path():
    events = [build_event(random.Random(1), kind, "a@x.example", "b@y.example") for kind in SHARES]
    own = {name: GOOD[name] for name in ("event_id", "occurred_at")}
    decode = msgspec.json.Decoder(list[PlainEvent]).decode

    lines = plain_lines(decode(json.dumps([event | own for event in events])), CONTEXT)

    assert lines == one_by_one([event | own for event in events])


def test_texts_to_escape_keep_their_batch_on_the_fast_path():
    reply = '550 5.1.1 <"a b"@x.example> EXCH\\mbx:\r\n\tno such user'
    body = json.dumps([GOOD | {"status_message": reply}, GOOD | {"spam_symbols": ['"']}])
    events = msgspec.json.decode(body, type=list[PlainEvent])

    assert is_mappable(body.encode())
    line, other = plain_lines(events, CONTEXT, escaped=True)
    assert '550 5.1.1 <"a b"@x.example> EXCH\\\\mbx:\\r\\n\\tno such user' in line.split("\t")
    assert '{"\\\\""}' in other.split("\t")


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
