"""`manage.py rollups`: the levels against the raw rows."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection

from server.demo import mail
from server.events.mapping import to_line
from server.rollups.levels import LEVELS
from server.rollups.mail import details
from server.storage.transaction import write_events
from tests.factories import row, write

pytestmark = pytest.mark.usefixtures("committing_database")
NOW = datetime(2026, 11, 21, 10, 7, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def frozen():
    with time_machine.travel(NOW, tick=False):
        yield


def rollups(*arguments):
    out = StringIO()
    call_command("rollups", *arguments, stdout=out)
    return out.getvalue()


def execute(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def fill(hours=26):
    for hour in mail.hours(NOW - timedelta(hours=hours), NOW):
        write_events([to_line(r) for r in mail.hour_of_events(hour, events_per_hour=40, seed=2)])
    details.count_all(NOW)


def test_levels_of_the_writer_are_verified():
    fill()

    output = rollups("--verify")

    assert output.count(", 0 different") == 2 * len(LEVELS)


def test_a_wrong_count_is_found_and_made_right():
    fill()
    right = execute("SELECT * FROM email_stats_1m ORDER BY bucket, direction, event_type, value")
    execute("UPDATE email_stats_1m SET events = events + 1 WHERE dimension = 'node'")
    execute("DELETE FROM email_stats_1m WHERE dimension = 'to_domain'")

    with pytest.raises(CommandError, match="rows differ"):
        rollups("--verify", "2026-11-20", "2026-11-21")
    assert rollups("--rebuild", "2026-11-20", "2026-11-21").count("made anew") == 2

    assert " 0 different" in rollups("--verify")
    again = execute("SELECT * FROM email_stats_1m ORDER BY bucket, direction, event_type, value")
    assert sorted(again) == sorted(right)


def test_what_comes_after_a_running_day_was_made_anew_is_seen_at_once():
    write(row(occurred_at=NOW))
    rollups("--rebuild", "2026-11-20", "2026-11-21")

    write(row(occurred_at=NOW))

    for level in LEVELS:
        assert execute(f"SELECT sum(events) FROM {level.table} WHERE dimension = 'all'") == [(2,)]


def test_days_outside_the_range_stay_as_they_are():
    write(row(occurred_at=NOW), row(occurred_at=NOW - timedelta(days=1)))
    execute("UPDATE email_stats_1m SET events = 77 WHERE bucket < '2026-11-21'")

    rollups("--rebuild", "2026-11-21", "2026-11-21")

    kept = execute("SELECT events FROM email_stats_1m WHERE dimension = 'all' ORDER BY bucket")
    assert kept == [(77,), (1,)]


def test_a_level_that_has_dropped_a_day_is_left_out_of_it():
    write(row(occurred_at=NOW - timedelta(days=20)))
    rollups("--rebuild", "2026-11-01", "2026-11-01")  # so late, no refresh would reach it
    execute("SELECT drop_chunks('email_stats_1m', '2026-11-10'::timestamptz)")

    output = rollups("--verify", "2026-11-01", "2026-11-01")

    assert "email_stats_1m" not in output
    assert "email_stats_5m: 7 rows, 0 different" in output


def test_days_whose_raw_rows_are_gone_are_refused():
    with pytest.raises(CommandError, match="cannot be recounted"):
        rollups("--rebuild", "2026-01-01", "2026-01-02")


@pytest.mark.parametrize("days", [["2026-11-21", "2026-11-20"], ["2026-11-21"]])
def test_days_in_the_wrong_order_or_number_are_refused(days):
    with pytest.raises(CommandError):
        rollups("--verify", *days)
