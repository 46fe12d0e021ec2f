"""A report that comes after its outcome was inferred takes its place in rows and levels."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection

from server.events.mapping import to_line
from server.rollups.levels import LEVELS
from server.storage.events_writer import PADDING
from server.storage.transaction import write_events
from tests.factories import NOW, row, stored_events, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def inferred_row():
    return row(
        certainty="inferred", source="change_stream", queue_id="1a1f", message_size_bytes=5000
    )


def report_of(inferred_row, **fields):
    return row(replaces=inferred_row["event_id"], queue_id="1a1f", **fields)


def counts(table):
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT event_type, events, inferred_events, size_bytes FROM {table}"
            " WHERE dimension = 'all' AND events <> 0 ORDER BY 1"
        )
        return cursor.fetchall()


def rows():
    return [(each["event_type"], each["certainty"]) for each in stored_events()]


def all_levels():
    return {tuple(counts(level.table)) for level in LEVELS}


def test_a_bounce_reported_late_takes_the_place_of_the_inferred_delivery(inferred_row):
    write(inferred_row)
    assert all_levels() == {(("delivered", 1, 1, 5000),)}

    assert write(report_of(inferred_row, event_type="bounced")) == 1

    assert rows() == [("bounced", "reported")]
    assert all_levels() == {(("bounced", 1, 0, 0),)}


def test_the_same_outcome_reported_late_brings_its_details(inferred_row):
    write(inferred_row)

    write(report_of(inferred_row, event_id=inferred_row["event_id"], delivery_time_ms=70))

    assert rows() == [("delivered", "reported")]
    assert all_levels() == {(("delivered", 1, 0, 0),)}


def test_reported_again_it_changes_nothing(inferred_row):
    write(inferred_row)
    report = report_of(inferred_row, event_type="bounced")

    assert [write(report), write(report), write(inferred_row)] == [1, 0, 0]

    assert all_levels() == {(("bounced", 1, 0, 0),)}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_in_one_batch_the_report_alone_is_taken(inferred_row, order):
    both = [inferred_row, report_of(inferred_row, event_type="bounced")]

    write(*(both[place] for place in order))

    assert rows() == [("bounced", "reported")]


def test_a_report_that_overtakes_its_inferred_outcome_stays_alone(inferred_row):
    write(report_of(inferred_row, event_type="bounced"))

    assert write(inferred_row) == 0

    assert all_levels() == {(("bounced", 1, 0, 0),)}


def test_in_levels_that_hold_more_only_what_was_replaced_is_taken_out(inferred_row):
    write(inferred_row, row(message_size_bytes=7), row(event_type="bounced"))

    write(report_of(inferred_row, event_type="bounced", occurred_at=NOW + timedelta(hours=2)))

    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(events) FROM email_stats_daily WHERE dimension = 'all'")
        assert cursor.fetchall() == [(3,)]
    assert sorted(rows()) == [("bounced", "reported")] * 2 + [("delivered", "reported")]


def test_what_a_mail_program_reported_is_never_replaced():
    reported = row(queue_id="1a1f")
    write(reported)

    write(report_of(reported, event_type="bounced"))

    assert len(rows()) == 2


def test_a_node_replaces_only_what_was_inferred_on_it(inferred_row):
    write(inferred_row)

    write(report_of(inferred_row, event_type="bounced", mta_node="mta-02"))

    assert len(rows()) == 2


def test_a_line_from_before_the_column_is_taken_as_it_is():
    line = to_line(row(event_id=uuid4())).removesuffix(PADDING)

    assert sum(new.events for new in write_events([line])) == 1
