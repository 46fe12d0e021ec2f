"""A day names a bounded number of values, however many its minutes name."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection, transaction

from server.events.mapping import to_line
from server.rollups.levels import LEVELS, MAX_VALUES, OTHER, WIDER_LEVELS
from server.rollups.mail.bounding import bound_values
from server.storage.transaction import write_events
from server.timescale import edition
from tests import waiting
from tests.factories import NOW, row, write

pytestmark = pytest.mark.usefixtures("committing_database")
WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"


@pytest.fixture(autouse=True)
def small_bound(settings, committing_database):
    if edition.is_community(connection):
        pytest.skip("TimescaleDB makes the wider levels")
    settings.LEVELS_MAX_VALUES = 3
    with time_machine.travel(NOW, tick=False):
        yield


def write_flood(domains=8, *, minutes=1):
    """One event of each domain but the first two, which have more."""
    for minute in range(minutes):
        at = NOW - timedelta(minutes=minute)
        flood = [row(to_domain=f"d{minute}-{n}.example", occurred_at=at) for n in range(domains)]
        write(*flood, *[row(to_domain="large.example", occurred_at=at) for _ in range(3)])


def counts(table):
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT value, sum(events)::int FROM {table} WHERE dimension = 'to_domain'"
            " AND events <> 0 GROUP BY 1"
        )
        return dict(cursor.fetchall())


def verify():
    out = StringIO()
    call_command("rollups", "--verify", "2026-11-21", "2026-11-21", stdout=out)
    return out.getvalue()


def test_the_largest_values_of_a_day_stay_and_the_others_are_counted_together():
    write_flood(minutes=3)

    assert bound_values(NOW) > 0

    daily = counts("email_stats_daily")
    assert (len(daily), daily["large.example"], daily[OTHER]) == (4, 9, 22)
    for level in LEVELS:
        assert sum(counts(level.table).values()) == 33
    assert len(counts("email_stats_1m")) == 25
    assert verify().count(", 0 different") == len(LEVELS)
    assert bound_values(NOW) == 0


def test_nothing_is_folded_below_twice_the_bound():
    write_flood(domains=5)

    assert bound_values(NOW) == 0
    assert OTHER not in counts("email_stats_daily")


def test_what_is_taken_back_of_a_folded_value_is_taken_from_the_others():
    write_flood()
    inferred = row(to_domain="zz.example", certainty="inferred", source="change_stream")
    write(inferred)
    bound_values(NOW)
    others = counts("email_stats_daily")[OTHER]
    write(row(to_domain="zz.example", event_type="bounced", replaces=inferred["event_id"]))

    bound_values(NOW)

    assert counts("email_stats_daily")[OTHER] == others - 1
    assert verify().count(", 0 different") == len(LEVELS)


def test_a_value_that_comes_again_is_named_again():
    write_flood()
    bound_values(NOW)
    before = counts("email_stats_1h")[OTHER]

    write(row(to_domain="d0-7.example"))

    for level in WIDER_LEVELS:
        assert counts(level.table)["d0-7.example"] == 1
        assert counts(level.table)[OTHER] == before


def test_two_writers_do_not_both_fill_the_last_room_of_a_minute():
    first, second = (
        [to_line(row(to_domain=f"d{start + n}.example")) for n in range(MAX_VALUES - 10)]
        for start in (0, 50_000)
    )

    def write_second():
        try:
            write_events(second)
        finally:
            connection.close()

    def somebody_waits():
        with connection.cursor() as cursor:
            cursor.execute(WAITS)
            return cursor.fetchone()[0]

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            write_events(first)
            writing = pool.submit(write_second)
            waiting.until(somebody_waits, what="the second writer waits for the first")
        writing.result(timeout=60)

    named = counts("email_stats_1m")
    assert (len(named), named[OTHER]) == (MAX_VALUES + 1, MAX_VALUES - 20)
