"""Failing destinations: pure parts against counts made by hand."""

from datetime import UTC, datetime, timedelta

from server.rollups.mail.failing_destinations import find_beginnings, is_failing
from server.rollups.mail.queries import Count

START = datetime(2026, 11, 21, 10, tzinfo=UTC)
EDGES = [START + timedelta(minutes=5 * i) for i in range(5)]


def counts(domain: str, *buckets: tuple[int, int]) -> list[Count]:
    """Counts of (delivered, deferred) bucket by bucket."""
    return [
        Count(i, domain, event_type, events, 0)
        for i, pair in enumerate(buckets)
        for event_type, events in zip(("delivered", "deferred"), pair, strict=True)
        if events
    ]


def test_failing_begins_with_the_first_bucket_from_which_on_most_fails():
    rows = counts("a", (9, 1), (1, 9), (0, 4), (2, 8))

    assert find_beginnings(rows, EDGES) == {"a": EDGES[1]}


def test_silence_neither_begins_nor_ends_failing():
    assert find_beginnings(counts("a", (0, 3), (0, 0), (0, 3), (0, 0)), EDGES) == {"a": EDGES[0]}


def test_a_destination_that_accepts_again_does_not_fail_any_more():
    assert find_beginnings(counts("a", (0, 9), (0, 9), (0, 9), (9, 0)), EDGES) == {}


def test_failing_needs_enough_attempts_and_half_of_them_refused():
    assert is_failing(delivered=5, refused=5)
    assert not is_failing(delivered=6, refused=5)
    assert not is_failing(delivered=0, refused=9)
