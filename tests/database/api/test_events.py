"""Searching raw events: pages by key, files that stream, single events."""

import csv
import io
import json
from collections import Counter
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from server.api.csv_safe import FORMULA, csv_cell
from server.api.endpoints import events
from server.events import queries
from server.events.mapping import Context, copy_line, to_line
from server.events.queries import COLUMNS
from server.storage.transaction import write_events
from tests.factories import NOW, row

pytestmark = pytest.mark.django_db
#: A range ends before the moment of the request.
BEFORE_NOW = NOW - timedelta(seconds=1)


def store_rows(*rows):
    write_events([to_line(each) for each in rows])
    return rows


def store_events_as_sent(*events):
    context = Context.at(NOW, node="mta-01", retention=timedelta(days=180))
    write_events([copy_line(json.dumps(each).encode(), context) for each in events])


def ids(answer):
    return [event["event_id"] for event in answer["events"]]


def text_of(reply):
    return b"".join(reply.streaming_content).decode()


def test_pages_hold_every_event_once_even_where_times_are_equal(get_json):
    same = BEFORE_NOW - timedelta(minutes=9)
    rows = store_rows(
        *(row(occurred_at=same) for _ in range(7)),
        *(row(occurred_at=same - timedelta(seconds=i)) for i in range(6)),
    )

    seen, cursor = [], {}
    while cursor is not None:
        answer = get_json("email/events", limit=3, **cursor)
        assert len(answer["events"]) <= 3
        seen += ids(answer)
        cursor = {"cursor": answer["next"]} if answer["next"] else None

    assert len(seen) == len(rows)
    assert set(seen) == {str(each["event_id"]) for each in rows}


def test_an_event_that_comes_between_two_pages_moves_nothing(get_json):
    rows = store_rows(*(row(occurred_at=BEFORE_NOW - timedelta(minutes=i)) for i in range(4)))
    first = get_json("email/events", limit=2)
    store_rows(row(occurred_at=BEFORE_NOW + timedelta(milliseconds=500)))

    second = get_json("email/events", limit=2, cursor=first["next"])

    assert ids(first) + ids(second) == [str(each["event_id"]) for each in rows]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("event_type", "bounced"),
        ("direction", "inbound"),
        ("mta_node", "mta-09"),
        ("message_id", "<1@corp.example>"),
        ("queue_id", "1a2b3c"),
        ("from_address", "bob@corp.example"),
        ("from_domain", "other.example"),
        ("to_address", "carol@good.example"),
        ("to_domain", "elsewhere.example"),
        ("sending_ip", "2001:db8::1"),
        ("mx_host", "mx9.example"),
        ("status_code", 550),
        ("bounce_type", "hard"),
        ("bounce_category", "spam"),
        ("zone", "bulk"),
        ("certainty", "inferred"),
    ],
)
def test_every_filter_finds_what_it_names_and_nothing_else(get_json, name, value):
    wanted, _ = store_rows(
        row(occurred_at=BEFORE_NOW, **{name: value}), row(occurred_at=BEFORE_NOW)
    )

    answer = get_json("email/events", **{"type" if name == "event_type" else name: value})

    assert ids(answer) == [str(wanted["event_id"])]


@pytest.mark.parametrize("name", ["from_address", "to_address"])
@pytest.mark.parametrize("stored", ["Bob@Good.Example", "bob@good.example", "BOB@GOOD.EXAMPLE"])
def test_an_address_is_found_in_any_case(get_json, event, name, stored):
    wanted = event(occurred_at=BEFORE_NOW.isoformat(), **{name: stored})
    other = event(occurred_at=BEFORE_NOW.isoformat(), **{name: "eve@good.example"})
    store_events_as_sent(wanted, other)

    for searched in (stored, "boB@gooD.examplE"):
        assert ids(get_json("email/events", **{name: searched})) == [wanted["event_id"]]


@pytest.mark.parametrize("stored", ["bücher.example", "BÜCHER.example", "xn--bcher-kva.example"])
@pytest.mark.parametrize("searched", ["Bücher.example", "xn--bcher-kva.example"])
def test_an_international_domain_is_found_in_either_spelling(get_json, event, stored, searched):
    wanted = event(occurred_at=BEFORE_NOW.isoformat(), to_address=f"Bob@{stored}")
    store_events_as_sent(wanted, event(occurred_at=BEFORE_NOW.isoformat()))

    for filters in ({"to_domain": searched}, {"to_address": f"bob@{searched}"}):
        assert ids(get_json("email/events", **filters)) == [wanted["event_id"]]


def test_an_address_is_found_whatever_domain_was_given_with_it(get_json, event):
    at = BEFORE_NOW.isoformat()
    for to_domain in (None, "", "elsewhere.example"):
        store_events_as_sent(
            event(occurred_at=at, to_address="Bob@Good.example", to_domain=to_domain)
        )

    events_of_bob = get_json("email/events", to_address="bob@good.example")["events"]

    assert [each["to_domain"] for each in events_of_bob] == ["good.example"] * 3


def test_the_search_for_an_address_uses_the_index_of_its_domain():
    filters = {"to_address": "Bob@Good.example"}
    store_rows(row(occurred_at=BEFORE_NOW - timedelta(hours=1)))
    with CaptureQueriesContext(connection) as captured:
        queries.search(BEFORE_NOW - timedelta(days=1), BEFORE_NOW, filters, limit=10)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {captured.captured_queries[-1]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "email_events_to_domain" in plan
    assert "Index Cond: ((to_domain = 'good.example'::text)" in plan


def test_what_is_rare_is_found_as_far_back_as_requested_each_once_and_newest_first(
    get_json, monkeypatch
):
    monkeypatch.setattr(queries, "FIRST_WINDOW_EVENTS", 3)
    ages = [0, 0, 1, 5, 5, 30, 31, 100, 300, 500, 500, 719]  # hours
    rows = store_rows(
        *(
            row(occurred_at=BEFORE_NOW - timedelta(hours=age), mx_host="rare.example")
            for age in ages
        ),
        *(row(occurred_at=BEFORE_NOW - timedelta(hours=age)) for age in range(0, 700, 50)),
    )

    seen, cursor = [], {}
    while cursor is not None:
        answer = get_json("email/events", mx_host="rare.example", range="30d", limit=5, **cursor)
        seen += answer["events"]
        cursor = {"cursor": answer["next"]} if answer["next"] else None

    assert Counter(event["event_id"] for event in seen) == Counter(
        str(each["event_id"]) for each in rows[: len(ages)]
    )
    times = [event["occurred_at"] for event in seen]
    assert times == sorted(times, reverse=True)
    assert get_json("email/events", mx_host="nobody.example", range="30d")["events"] == []


def test_a_search_by_id_covers_all_that_is_retained_and_others_a_day(get_json):
    store_rows(
        row(occurred_at=BEFORE_NOW - timedelta(days=100), queue_id="1a2b", to_domain="old.example")
    )

    assert len(get_json("email/events", queue_id="1a2b")["events"]) == 1
    assert get_json("email/events", to_domain="old.example")["events"] == []
    assert get_json("email/events", queue_id="1a2b", range="24h")["events"] == []


def test_a_search_that_begins_before_retention_is_cut_and_one_that_ends_before_is_refused(
    get_json, expect_refusal
):
    long_ago = {"from": "2020-01-01T00:00:00Z"}

    answer = get_json("email/events", **long_ago)

    assert answer["cut"]
    assert answer["start"] == "2026-05-25T10:07:10Z"
    assert not get_json("email/events", range="30d")["cut"]
    assert "180 days" in str(expect_refusal("email/events", **long_ago, to="2020-02-01T00:00:00Z"))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "2026-11-21T08:00:00Z", "to": "2026-11-21T07:00:00Z"}, "range"),  # reversed
        ({"from": "2026-11-22T08:00:00Z"}, "range"),  # not come yet
        ({"from": "2026-11-21T08:00:00"}, "from"),  # no offset
        ({"sending_ip": "somewhere"}, "sending_ip"),
        ({"status_code": 99}, "status_code"),
        ({"queue_id": "a\0b"}, "queue_id"),
        ({"limit": 0}, "limit"),
        ({"type": "lost"}, "type"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(expect_refusal, query, field):
    assert field in expect_refusal("email/events", **query)


def test_domains_are_found_however_they_are_written(get_json):
    store_rows(row(occurred_at=BEFORE_NOW, to_domain="good.example"))

    assert len(get_json("email/events", to_domain="Good.EXAMPLE")["events"]) == 1


def test_one_event_is_all_of_it(get_json, admin_client: Client):
    (wanted,) = store_rows(row(spam_symbols='{"A","B"}', sending_ip="192.0.2.7", status_code=250))

    answer = get_json(f"email/events/{wanted['event_id']}")

    assert set(answer) == set(COLUMNS)
    assert answer["spam_symbols"] == ["A", "B"]
    assert answer["sending_ip"] == "192.0.2.7"
    assert admin_client.get(f"/api/v1/email/events/{uuid4()}").status_code == 404


@pytest.mark.parametrize("cursor", ["x", "AAAA", "MjAyNnx4", "é"])
def test_a_cursor_that_is_none_is_refused(expect_refusal, cursor):
    assert "cursor" in expect_refusal("email/events", cursor=cursor)


def test_a_csv_file_holds_what_is_stored_and_no_formulas(admin_client: Client, at_now, monkeypatch):
    monkeypatch.setattr(events, "EXPORT_PAGE", 2)
    store_rows(
        *(row(occurred_at=BEFORE_NOW - timedelta(minutes=i)) for i in range(4)),
        row(
            occurred_at=BEFORE_NOW,
            from_address='=HYPERLINK("http://evil.example")',
            spam_score=-1.5,
        ),
        row(occurred_at=BEFORE_NOW, mx_host='two "quoted"\nlines, and a comma'),
    )

    reply = admin_client.get("/api/v1/email/events.csv")
    lines = list(csv.DictReader(io.StringIO(text_of(reply))))

    assert reply["Content-Type"] == "text/csv; charset=utf-8"
    assert len(lines) == 6
    assert {line["from_address"] for line in lines} == {
        "alice@corp.example",
        '\'=HYPERLINK("http://evil.example")',
    }
    assert "-1.5" in {line["spam_score"] for line in lines}  # a number is no formula
    assert 'two "quoted"\nlines, and a comma' in {line["mx_host"] for line in lines}


def test_a_json_file_is_an_array_of_events_and_bounded(admin_client: Client, at_now, monkeypatch):
    monkeypatch.setattr(events, "EXPORT_PAGE", 2)
    rows = store_rows(*(row(occurred_at=BEFORE_NOW - timedelta(minutes=i)) for i in range(5)))

    def file(**query):
        return json.loads(text_of(admin_client.get("/api/v1/email/events.json", query)))

    assert [one["event_id"] for one in file()] == [str(each["event_id"]) for each in rows]
    assert len(file(limit=3)) == 3
    assert file(to_domain="nobody.example") == []


@settings(deadline=None, derandomize=True)
@given(st.text())
def test_no_text_becomes_a_formula(text):
    written = str(csv_cell(text))

    assert not written.lstrip(" ").startswith(FORMULA)
    assert written.removeprefix("'") == text.removeprefix("'")
