from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.events.columns import COLUMNS, NAMES
from server.events.mapping import Context, Refused, WrongNode, copy_line, to_line

NOW = datetime(2026, 11, 21, 10, 10, tzinfo=UTC)
CONTEXT = Context.at(NOW, node="mta-01", retention=timedelta(days=180))
EVENT: dict[str, object] = {
    "event_id": "a6e612ff-3ae6-55ff-b3b7-aaf16d8eae41",
    "occurred_at": "2026-11-21T10:07:10.228Z",
    "event_type": "sent",
    "direction": "outbound",
}


def values(event, context=CONTEXT):
    line = copy_line(msgspec.json.encode(event), context)
    return dict(zip(NAMES, line.split("\t"), strict=True))


def test_every_event_of_the_contract_is_taken(golden):
    for event in golden("events_batch.json")["events"]:
        assert values(event)["event_id"] == event["event_id"]


def test_every_event_the_zonemta_plugin_makes_is_taken(golden):
    later = Context.at(NOW + timedelta(days=10), node="mta-01", retention=timedelta(days=180))

    for case in golden("zonemta_log_entries.json")["cases"]:
        for event in case["events"]:
            assert values(event, later)["event_type"] == event["event_type"]


def test_every_event_the_haraka_plugin_makes_is_taken(golden):
    evening = Context.at(NOW + timedelta(hours=12), node="mx-01", retention=timedelta(days=180))

    for case in golden("haraka_transactions.json")["cases"]:
        for event in case["events"]:
            assert values(event, evening)["event_type"] == event["event_type"]


@pytest.mark.parametrize("alias", ["timestamp", "time"])
def test_the_time_may_have_another_name(alias):
    event = {**EVENT, alias: EVENT["occurred_at"]}
    del event["occurred_at"]

    assert values(event)["occurred_at"] == "2026-11-21T10:07:10.228000Z"


def test_users_and_domains_come_from_the_addresses_and_domains_are_lower_case():
    row = values(EVENT | {"from_address": "Al@Corp.EXAMPLE", "to_address": "a@b@Good.example"})

    assert (row["from_user"], row["from_domain"]) == ("Al", "corp.example")
    assert row["to_domain"] == "good.example"


@pytest.mark.parametrize("domain", ["bücher.example", "BÜCHER.example", "XN--BCHER-KVA.example"])
def test_an_international_domain_is_one_however_it_is_spelled(domain):
    row = values(EVENT | {"from_address": f"al@{domain}", "to_address": f"bo@{domain}"})

    assert (row["from_domain"], row["to_domain"]) == ("xn--bcher-kva.example",) * 2
    assert row["to_address"] == f"bo@{domain}"
    assert (
        values(EVENT | {"to_address": "bo", "to_domain": domain})["to_domain"]
        == "xn--bcher-kva.example"
    )


def test_a_domain_that_is_given_stays_unless_the_address_has_another():
    for side in ("from", "to"):
        given = EVENT | {f"{side}_domain": "y"}

        assert values(given | {f"{side}_address": "a@x"})[f"{side}_domain"] == "x"
        assert values(given | {f"{side}_address": "a"})[f"{side}_domain"] == "y"


def test_an_empty_sender_is_the_null_sender():
    row = values(EVENT | {"from_address": ""})

    assert (row["from_address"], row["from_domain"]) == ("<>", "\\N")


def test_long_text_is_cut_not_refused():
    row = values(EVENT | {"status_message": "x" * 5_000, "message_id": "y" * 5_000})

    assert (len(row["status_message"]), len(row["message_id"])) == (500, 255)


def test_what_is_missing_is_null():
    assert values(EVENT)["status_code"] == "\\N"


def test_a_hostile_reply_stays_one_field_of_one_line():
    reply = "550 \\. evil\n\ttab\r\\N\x1b[31m"

    line = copy_line(msgspec.json.encode(EVENT | {"status_message": reply}), CONTEXT)

    assert "\n" not in line
    assert len(line.split("\t")) == len(COLUMNS)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"event_id": "x"}, "event_id"),
        ({"event_type": "exploded"}, "event_type"),
        ({"direction": None}, "direction"),
        ({"status_code": 99}, "status_code"),
        ({"status_code": "250"}, "status_code"),
        ({"delivery_time_ms": -1}, "delivery_time_ms"),
        ({"delivery_time_ms": 2**31}, "delivery_time_ms"),
        ({"message_size_bytes": 2**32 + 1}, "message_size_bytes"),
        ({"sending_ip": "127.0.0.1/8"}, "sending_ip"),
        ({"client_ip": "localhost"}, "client_ip"),
        ({"to_address": "a\0b@x.example"}, "NUL"),
        ({"spam_symbols": ["a\0"]}, "NUL"),
        ({"spam_score": "high"}, "spam_score"),
        ({"occurred_at": "2026-11-21T10:07:10"}, "occurred_at"),
        ({"occurred_at": "2026-11-21T10:20:01Z"}, "10 minutes ahead"),
        ({"occurred_at": "2026-05-01T00:00:00Z"}, "retention"),
        ({"occurred_at": "0001-01-01T00:00:00+05:00"}, "occurred_at"),
        ({"occurred_at": None}, "occurred_at"),
    ],
)
def test_a_wrong_value_refuses_the_event_and_names_the_field(change, reason):
    with pytest.raises(Refused, match=reason):
        values(EVENT | change)


@pytest.mark.parametrize("old", [{}, {"occurred_at": "2026-05-01T00:00:00Z"}, {"client_ip": "x"}])
def test_another_node_than_the_keys_goes_before_every_other_fault(old):
    with pytest.raises(WrongNode, match="'mta-01' only, not for 'mta-02'"):
        values(EVENT | old | {"mta_node": "mta-02"})


def test_a_key_of_no_node_needs_events_that_name_theirs():
    anybody = Context.at(NOW, node=None, retention=timedelta(days=180))

    assert values(EVENT | {"mta_node": "mta-02"}, anybody)["mta_node"] == "mta-02"
    with pytest.raises(Refused, match="mta_node is missing"):
        values(EVENT, anybody)


def test_what_is_not_an_object_is_refused():
    for raw in (b"1", b'"x"', b"null", b"[]", b'{"event_id":"\\ud800"}', b"\xff"):
        with pytest.raises(Refused):
            copy_line(raw, CONTEXT)


@given(st.dictionaries(st.sampled_from(NAMES), st.text(st.characters(exclude_characters="\0"))))
def test_any_text_makes_a_line_of_as_many_fields_as_there_are_columns(row):
    line = to_line(row)

    assert len(line.split("\t")) == len(COLUMNS)
    assert not set("\n\r") & set(line)
