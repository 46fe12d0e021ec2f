"""The step of a subject from one round to the next."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.alerts.models import State
from server.alerts.states import Holds, Status, Timing, step

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
YES, BETWEEN, NO, UNKNOWN = Holds.YES, Holds.BETWEEN, Holds.NO, Holds.UNKNOWN
SLOW = Timing(for_s=30, keep_firing_for_s=30)


def run(readings, timing=SLOW, *, every_s=15):
    """Return the states after each reading, and the last status."""
    status, states = Status(), []
    for place, holds in enumerate(readings):
        status = step(status, holds, timing, NOW + timedelta(seconds=every_s * place))
        states.append(str(status.state))
    return states, status


def test_a_condition_fires_once_it_has_held_for_long_enough():
    states, status = run([NO, YES, YES, YES])

    assert states == ["ok", "pending", "pending", "firing"]
    assert status.fired_at == NOW + timedelta(seconds=45)


def test_without_a_time_it_fires_at_once():
    assert run([YES], Timing())[0] == ["firing"]


@pytest.mark.parametrize("holds", [NO, BETWEEN])
def test_one_good_reading_ends_a_pending_one(holds):
    assert run([YES, YES, holds, YES])[0] == ["pending", "pending", "ok", "pending"]


def test_what_fires_ends_only_beyond_the_other_threshold():
    assert run([YES, BETWEEN, BETWEEN], Timing())[0] == ["firing"] * 3


def test_what_comes_and_goes_is_one_alert():
    states, status = run([YES, NO, YES, NO, NO, NO], Timing(0, 30))

    assert states == ["firing", "recovering", "firing", "recovering", "recovering", "ok"]
    assert status.fired_at is None


def test_without_data_nothing_is_fine():
    assert run([NO, UNKNOWN, UNKNOWN, NO])[0] == ["ok", "no_data", "no_data", "ok"]


def test_what_fired_goes_on_without_data_and_does_not_fire_anew():
    states, status = run([YES, UNKNOWN, YES], Timing(0, 30))

    assert states == ["firing", "no_data", "firing"]
    assert status.fired_at == NOW


def test_what_fired_recovers_after_a_time_without_data():
    states, _ = run([YES, UNKNOWN, NO, NO, NO], Timing(0, 30))

    assert states == ["firing", "no_data", "recovering", "recovering", "ok"]


def test_a_pending_one_waits_anew_after_a_time_without_data():
    assert run([YES, UNKNOWN, YES, YES, YES])[0][2:] == ["pending", "pending", "firing"]


def test_a_clock_that_is_set_back_fires_nothing_early():
    pending = step(Status(), YES, SLOW, NOW)

    assert step(pending, YES, SLOW, NOW - timedelta(hours=1)).state is State.PENDING


@given(st.lists(st.sampled_from(list(Holds)), max_size=40))
def test_an_alert_has_fired_from_firing_to_ok_and_never_is_ok_without_data(readings):
    status = Status()
    for place, holds in enumerate(readings):
        before = status
        status = step(before, holds, SLOW, NOW + timedelta(seconds=15 * place))
        assert (status.fired_at is not None) or status.state in ("ok", "pending", "no_data")
        assert not (holds is UNKNOWN and status.state is State.OK)
        if before.fired_at is not None and status.fired_at is None:
            assert (before.state, holds, status.state) == (State.RECOVERING, NO, State.OK)
