"""Escalation, repetition and quiet hours."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from server.alerts.notifications.escalation import (
    OpenAlert,
    Plan,
    Step,
    escalate,
    find_quiet_end,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = (time(22), time(7))
PLAN = Plan(
    "night",
    (
        Step(timedelta(), ("first",)),
        Step(timedelta(minutes=15), ("second",)),
        Step(timedelta(minutes=30), ("boss", "second")),
    ),
    timedelta(hours=1),
)


def due(minutes, plan=PLAN):
    alert = OpenAlert(7, 70, 700, NOW, (plan.route,))
    drafts = [draft for _, draft in escalate([alert], [plan], NOW + timedelta(minutes=minutes))]
    return [(draft.kind, draft.channel) for draft in drafts], drafts


def test_each_step_is_due_once_its_time_has_come():
    assert due(14)[0] == []
    assert due(15)[0] == [("escalated", "second")]
    assert due(31)[0] == [("escalated", "second"), ("escalated", "boss"), ("escalated", "second")]


def test_what_is_asked_again_has_the_same_keys():
    early, late = due(31)[1], due(44)[1]

    assert [d.idempotency_key for d in early] == [d.idempotency_key for d in late]
    assert len({d.idempotency_key for d in early}) == 3


def test_the_last_step_is_repeated_and_only_the_newest_repetition_is_sent():
    assert ("repeated", "boss") not in due(89)[0]
    assert ("repeated", "boss") in due(90)[0]
    repeated = [d for d in due(90 + 600)[1] if d.kind == "repeated" and d.channel == "boss"]
    assert len(repeated) == 1
    assert repeated[0].idempotency_key not in {d.idempotency_key for d in due(90)[1]}


def test_a_route_that_is_gone_escalates_nothing():
    alert = OpenAlert(7, 70, 700, NOW, ("gone",))

    assert list(escalate([alert], [PLAN], NOW + timedelta(days=1))) == []


@pytest.mark.parametrize(
    ("at", "end"),
    [
        (datetime(2026, 11, 21, 21, 30, tzinfo=BERLIN), None),
        (datetime(2026, 11, 21, 23, 30, tzinfo=BERLIN), datetime(2026, 11, 22, 7, tzinfo=BERLIN)),
        (datetime(2026, 11, 22, 3, 0, tzinfo=BERLIN), datetime(2026, 11, 22, 7, tzinfo=BERLIN)),
        (datetime(2026, 11, 22, 7, 0, tzinfo=BERLIN), None),
        # The night in which the clocks go back, and the one in which they go forward.
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 6, tzinfo=UTC)),
        (datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 3, 29, 5, tzinfo=UTC)),
    ],
)
def test_quiet_hours_end_by_the_clock_of_their_zone(at, end):
    quiet_end = find_quiet_end(at, *NIGHT, BERLIN)

    assert (quiet_end and quiet_end.astimezone(UTC)) == (end and end.astimezone(UTC))


def test_quiet_hours_end_after_now_though_the_clock_shows_that_hour_twice():
    at = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 in Berlin, for the second time

    end = find_quiet_end(at, time(22), time(2, 30), BERLIN)

    assert end is not None
    assert end.astimezone(UTC) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def test_there_are_no_quiet_hours_without_both_ends():
    assert find_quiet_end(NOW, None, time(7), BERLIN) is None
    assert find_quiet_end(NOW, time(7), time(7), BERLIN) is None
