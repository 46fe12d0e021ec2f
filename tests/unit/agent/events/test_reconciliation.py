"""Captured outcomes, compared with ZoneMTA's own counters."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from agent import clock
from agent.events.outcome_counts import MAX_SECONDS, OutcomeCounts
from agent.events.reconciliation import Reconciler
from agent.samples import ZoneDeliveries, ZoneMtaReadings

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def readings(started_at_s=1000, **counts):
    return ZoneMtaReadings(
        started_at_s=started_at_s,
        deliveries=[
            ZoneDeliveries(zone=zone, status=status, count=count)
            for status, count in counts.items()
            for zone in ("default", "bounces")
        ],
        messages_taken_count=0,
        messages_failed_count=0,
        bounces_made_count=0,
        dropped_count=0,
        blacklisted_count=0,
        connections_reused_count=0,
    )


class Hours:
    """A reconciler and its clock."""

    def __init__(self):
        self.now = AT
        self.captured = OutcomeCounts()
        self.reconciler = Reconciler(self.captured)

    def read(self, at, started_at_s=1000, **counts):
        self.reconciler.take(readings(started_at_s, **counts), at)

    def lines(self, at):
        self.now = at
        return {
            (line.from_at, line.outcome): (line.counted, line.captured)
            for line in self.reconciler.lines()
        }


@pytest.fixture
def hours(monkeypatch):
    made = Hours()
    monkeypatch.setattr(clock, "utc_now", lambda: made.now)
    return made


def test_an_hour_is_compared_outcome_by_outcome_over_all_zones(hours):
    hours.read(AT, delivered=10, rejected=1)
    for minute in range(60):
        hours.captured.add("delivered", AT + timedelta(minutes=minute))
    hours.captured.add("bounced", AT)
    hours.captured.add("delivered", AT - timedelta(seconds=1))
    hours.captured.add("delivered", AT + HOUR)
    hours.read(AT + HOUR, delivered=40, rejected=2, deferred=3, unknown=9)

    assert hours.lines(AT + HOUR + timedelta(minutes=2)) == {
        (AT, "delivered"): (60, 60),
        (AT, "bounced"): (2, 1),
        (AT, "deferred"): (6, 0),
    }


def test_nothing_is_compared_before_late_events_had_their_time(hours):
    hours.read(AT, delivered=0)
    hours.read(AT + HOUR, delivered=1)
    assert hours.lines(AT + HOUR + timedelta(seconds=119)) == {}

    hours.captured.add("delivered", AT + timedelta(minutes=59), count=2)

    assert hours.lines(AT + HOUR + timedelta(seconds=120))[AT, "delivered"] == (2, 2)


def test_readings_within_the_hour_move_nothing(hours):
    for minute in range(0, 61, 5):
        hours.read(AT + timedelta(minutes=minute), delivered=minute)

    assert hours.lines(AT + 2 * HOUR)[AT, "delivered"] == (120, 0)


@pytest.mark.parametrize("second", [{"started_at_s": 2000}, {"started_at_s": 1000}])
def test_a_restart_of_zonemta_begins_anew_and_makes_nothing_up(hours, second):
    hours.read(AT, delivered=100)
    hours.read(AT + timedelta(minutes=30), delivered=5, **second)

    hours.read(AT + HOUR, delivered=7, **second)
    assert hours.lines(AT + 2 * HOUR) == {}
    hours.read(AT + timedelta(minutes=90), delivered=8, **second)

    lines = hours.lines(AT + 2 * HOUR)
    assert lines[AT + timedelta(minutes=30), "delivered"] == (6, 0)


def test_a_corrected_outcome_is_counted_as_its_true_type(hours):
    hours.captured.add("delivered", AT)
    hours.captured.add("bounced", AT)
    hours.captured.add("delivered", AT, count=-1)

    assert +hours.captured.between(AT, AT + HOUR) == Counter(bounced=1)


def test_the_memory_of_seconds_is_bounded(hours):
    for second in range(MAX_SECONDS + 100):
        hours.captured.add("delivered", AT + timedelta(seconds=second))

    assert hours.captured.between(AT, AT + 10 * HOUR)["delivered"] == MAX_SECONDS
