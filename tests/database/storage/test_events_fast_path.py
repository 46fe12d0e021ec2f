"""New and known events in the fast path, on the real TimescaleDB."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction

from server.events.columns import NAMES
from server.events.mapping import to_line
from server.storage import events_fast_path
from server.storage.events_writer import stage
from server.storage.transaction import write_events

pytestmark = pytest.mark.usefixtures("committing_database")

AT = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def line(event_id=None, at=AT, **more):
    return to_line(
        {
            "event_id": event_id or uuid4(),
            "occurred_at": at.isoformat(),
            "event_type": "delivered",
            "direction": "outbound",
            "mta_node": "mta-01",
            "source": "zonemta_plugin",
            "certainty": "reported",
            **more,
        }
    )


def read_stored():
    with connection.cursor() as cursor:
        cursor.execute("SELECT certainty, occurred_at FROM email_events ORDER BY occurred_at")
        return cursor.fetchall()


def test_an_event_dated_otherwise_by_another_source_is_the_same_event():
    same = uuid4()
    write_events([line(same)])

    new = write_events([line(same, AT + timedelta(minutes=59), certainty="inferred"), line()])

    assert sum(each.events for each in new) == 1
    assert len(read_stored()) == 2


def test_of_two_in_one_batch_the_reported_one_is_kept():
    same = uuid4()

    write_events([line(same, certainty="inferred"), line(same, AT + timedelta(minutes=3))])

    assert read_stored() == [("reported", AT + timedelta(minutes=3))]


def test_lines_are_put_in_the_order_of_their_ids_and_a_repeated_id_is_noticed():
    lines = [line(uuid4(), from_address="a\tb@a.example") for _ in range(50)]

    ordered, repeats = events_fast_path.sort_by_key(lines)

    assert (sorted(ordered), repeats) == (sorted(lines), False)
    ids = [each.split("\t")[NAMES.index("event_id")] for each in ordered]
    assert ids == sorted(ids)
    assert events_fast_path.sort_by_key([*lines, lines[7]])[1]


def test_a_batch_over_several_days_finds_what_is_stored_on_each_of_them():
    ids = [uuid4() for _ in range(4)]
    days = [line(each, AT - timedelta(days=n)) for n, each in enumerate(ids)]
    write_events(days)

    assert write_events(days) == []
    assert len(read_stored()) == 4


@pytest.mark.parametrize(
    "statement",
    [
        events_fast_path.ANY_IS_STORED,
        events_fast_path.insert_new(repeats=False),
        events_fast_path.insert_new(repeats=True),
    ],
    ids=["any", "new", "new, with repeats"],
)
@pytest.mark.parametrize("known", [1, 3000])
def test_known_events_are_looked_for_by_their_id_also_in_a_chunk_without_statistics(
    known, statement
):
    # By time instead it would read an hour of events for each: hours of work for one batch.
    write_events([line() for _ in range(known)])

    with transaction.atomic(), connection.cursor() as cursor:
        span = stage(cursor, [line() for _ in range(500)])
        cursor.execute(events_fast_path.PLAN_AS_PROBES)
        cursor.execute(f"EXPLAIN (COSTS OFF) {statement}", span)
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "email_events_once" in plan
    assert "email_events_time" not in plan
