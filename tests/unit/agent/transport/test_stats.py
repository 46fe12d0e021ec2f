"""The skew of two clocks, from times with whole seconds."""

from datetime import UTC, datetime, timedelta

import pytest

from agent.transport.stats import Skew, TransportStats

START = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)


def measure(ahead, *, at, took=timedelta(milliseconds=20)):
    """What an answer `at` seconds after the start shows, when this clock is `ahead`."""
    server_at = START + timedelta(seconds=at)
    return {
        "server_at": server_at.replace(microsecond=0),
        "sent_at": server_at + ahead - took / 2,
        "answered_at": server_at + ahead + took / 2,
    }


@pytest.mark.parametrize("ahead_s", [0, 0.4, -0.4, 12, -90])
def test_answers_at_different_moments_narrow_the_difference_down(ahead_s):
    ahead, skew = timedelta(seconds=ahead_s), Skew()

    for number in range(20):
        skew.add(**measure(ahead, at=15.05 * number))

    assert abs(skew.ahead() - ahead) < timedelta(milliseconds=80)


def test_one_answer_says_no_more_than_it_knows():
    skew = Skew()
    skew.add(**measure(timedelta(seconds=0.3), at=0.5))

    assert skew.ahead() == timedelta(0)


def test_a_clock_that_was_set_is_measured_anew():
    skew = Skew()
    for number in range(10):
        skew.add(**measure(timedelta(0), at=15.05 * number))
    skew.add(**measure(timedelta(hours=1), at=200))

    assert skew.ahead() > timedelta(minutes=59)


def test_a_clock_set_back_while_waiting_for_the_answer_says_nothing():
    skew = Skew()
    skew.add(START, sent_at=START, answered_at=START - timedelta(hours=1))

    assert skew.ahead() is None


def test_the_95th_percentile_is_of_the_last_sends():
    stats = TransportStats()
    assert stats.health()["send_p95_ms"] is None
    for number in range(1000):
        stats.record_send(float(number), accepted=True)

    assert stats.health()["send_p95_ms"] == pytest.approx(990, abs=2)
    assert stats.health()["clock_skew_ms"] is None
