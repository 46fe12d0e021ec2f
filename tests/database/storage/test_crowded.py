"""A minute names a bounded number of values; the others are counted together."""

from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection, transaction

from server.events.mapping import to_line
from server.rollups.levels import LEVELS, MAX_VALUES, OTHER
from server.storage import events_writer
from tests.factories import NOW, count_differences, row, stored_events, write

pytestmark = pytest.mark.usefixtures("committing_database")
MORE = 30


@pytest.fixture(autouse=True)
def frozen():
    with time_machine.travel(NOW, tick=False):
        yield


def invented(count, first=0, **fields):
    return [row(to_domain=f"d{n:05}.example", **fields) for n in range(first, first + count)]


def counts(table, dimension="to_domain"):
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT value, sum(events)::int FROM {table} WHERE dimension = %s AND events <> 0"
            " GROUP BY 1",
            [dimension],
        )
        return dict(cursor.fetchall())


def verify():
    out = StringIO()
    call_command("rollups", "--verify", "2026-11-21", "2026-11-21", stdout=out)
    return out.getvalue()


def insert_by_reference(*rows):
    with transaction.atomic():
        events_writer.insert_events([to_line(each) for each in rows])


def insert_repeated(*rows):
    write(*rows, rows[0])


@pytest.mark.parametrize("insert", [write, insert_repeated, insert_by_reference])
def test_a_minute_names_a_bounded_number_of_values_and_counts_the_others(insert):
    insert(*invented(3, first=90_000))
    insert(*invented(MAX_VALUES), *invented(MORE, first=90_000))

    for level in LEVELS:
        counted = counts(level.table)
        assert (len(counted), counted[OTHER]) == (MAX_VALUES + 1, MORE)
        assert counts(level.table, "all") == {"": MAX_VALUES + MORE + 3}
        assert counted["d90000.example"] == 2  # known before: it stays named
    assert len(stored_events(to_domain=f"d{MAX_VALUES - 1:05}.example")) == 1


def test_the_values_with_the_most_events_are_named():
    write(*invented(MAX_VALUES + MORE), *[row(to_domain="zz.example") for _ in range(5)])

    counted = counts("email_stats_daily")

    assert (counted["zz.example"], counted[OTHER]) == (5, MORE + 1)


def test_each_minute_has_room_of_its_own():
    write(*invented(MAX_VALUES))
    write(*invented(5, first=70_000, occurred_at=NOW - timedelta(minutes=1)))

    assert OTHER not in counts("email_stats_1h")


def test_what_is_taken_back_is_taken_from_where_it_was_counted():
    inferred = {"certainty": "inferred", "source": "change_stream"}
    write(*invented(MAX_VALUES))
    late = row(to_domain="late.example", **inferred)
    write(late, row(to_domain="late.example", **inferred))

    write(row(to_domain="late.example", event_type="bounced", replaces=late["event_id"]))

    assert counts("email_stats_1m")[OTHER] == 1
    assert counts("email_stats_1m")["late.example"] == 1  # the bounce: another type has room


def test_levels_with_others_are_verified_and_made_anew():
    write(*invented(5, first=90_000))
    write(*invented(MAX_VALUES + MORE))
    assert verify().count("email_stats") == verify().count(", 0 different") == len(LEVELS)

    call_command("rollups", "--rebuild", "2026-11-21", "2026-11-21", stdout=StringIO())

    assert " 0 different" in verify()
    assert len(counts("email_stats_1h")) == MAX_VALUES + 1


def test_a_wrong_count_of_the_others_is_found():
    write(*invented(MAX_VALUES + MORE))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE email_stats_1m SET events = events + 1 WHERE value = %s", [OTHER])

    with pytest.raises(Exception, match="rows differ"):
        verify()


def test_a_value_that_is_called_as_the_others_are_is_counted_among_them():
    write(row(to_domain=OTHER))
    write(*invented(MAX_VALUES + MORE))

    assert counts("email_stats_1m")[OTHER] == MORE + 2


def test_nothing_changes_below_the_bound():
    write(*invented(MAX_VALUES))

    assert not any(count_differences(level) for level in LEVELS)
