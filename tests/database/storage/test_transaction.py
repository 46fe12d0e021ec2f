"""Rows and counts, in a real TimescaleDB."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db import DataError, connection

from server.demo import mail
from server.events.mapping import to_line
from server.rollups.levels import DELIVERY_BOUNDS_MS, DELIVERY_HISTOGRAM
from server.storage.transaction import write_events
from tests.factories import NOW, row, stored_events, write

pytestmark = pytest.mark.django_db


def level(columns="events", where="dimension = 'all'"):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM email_stats_1m WHERE {where} ORDER BY 1")
        return cursor.fetchall()


def test_the_same_event_twice_is_one_row_and_one_count():
    same = row()

    assert [write(same), write(same), write(same, same)] == [1, 0, 0]

    assert len(stored_events()) == 1
    assert level() == [(1,)]


def test_two_sources_that_date_the_same_event_differently_count_it_once():
    reported = row()
    inferred = reported | {"occurred_at": NOW + timedelta(seconds=9), "certainty": "inferred"}

    assert [write(reported), write(inferred)] == [1, 0]

    assert level("events, inferred_events") == [(1, 0)]


def test_of_two_in_one_batch_the_reported_one_is_kept():
    inferred = row(occurred_at=NOW - timedelta(seconds=9), certainty="inferred")
    reported = inferred | {"occurred_at": NOW, "certainty": "reported"}

    write(inferred, reported)

    assert [each["certainty"] for each in stored_events()] == ["reported"]


def test_null_senders_going_out_are_counted_apart_and_coming_in_like_any_mail():
    write(
        row(from_address="<>", from_domain=None),
        row(from_address="<>", from_domain=None, direction="inbound"),
    )

    assert level("direction, dimension", "dimension IN ('all', 'null_sender')") == [
        ("inbound", "all"),
        ("outbound", "null_sender"),
    ]
    assert level("DISTINCT direction", "dimension = 'node'") == [("inbound",)]


def test_a_delivery_time_counts_in_the_bin_above_the_bound_it_reaches():
    write(row(delivery_time_ms=999), row(delivery_time_ms=1_000), row(delivery_time_ms=300_000))

    (counts,) = level(", ".join(m.column for m in DELIVERY_HISTOGRAM))
    one_second = DELIVERY_BOUNDS_MS.index(1_000)
    assert {i: n for i, n in enumerate(counts) if n} == {
        one_second: 1,
        one_second + 1: 1,
        len(DELIVERY_BOUNDS_MS): 1,
    }


def test_the_level_agrees_with_raw_rows_in_every_dimension():
    hour = NOW.replace(minute=0, second=0)
    rows = list(mail.hour_of_events(hour, events_per_hour=800, seed=3))

    assert write(*rows) == len(rows)

    for dimension, column in [("all", None), ("node", "mta_node"), ("to_domain", "to_domain")]:
        raw = Counter(
            (r["occurred_at"].replace(second=0, microsecond=0), r["event_type"], r.get(column, ""))
            for r in rows
        )
        kept = level("bucket, event_type, value, events", f"dimension = '{dimension}'")
        summed = Counter()
        for bucket, event_type, value, events in kept:
            summed[(bucket, event_type, value)] += events
        assert summed == raw


@pytest.mark.usefixtures("committing_database")
def test_a_batch_that_postgresql_refuses_stores_nothing():
    good, bad = to_line(row()), to_line(row(sending_ip="nonsense"))

    with pytest.raises(DataError):
        write_events([good, bad])

    assert len(stored_events()) == 0
    assert level() == []
    assert write_events([good])


def test_an_event_of_an_unknown_sender_counts_in_every_dimension():
    write(row(from_address=None, from_domain=None))

    counted = dict(level("dimension, events", "dimension <> 'bounce'"))
    assert counted == dict.fromkeys(
        ["all", "node", "from_domain", "to_domain", "sending_ip", "zone"], 1
    )
