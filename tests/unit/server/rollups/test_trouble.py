"""Destinations in trouble: pure parts against counts made by hand."""

from datetime import UTC, datetime, timedelta

from server.rollups.mail.failing_destinations import beginnings, is_trouble
from server.rollups.mail.queries import Count

START = datetime(2026, 11, 21, 10, tzinfo=UTC)
EDGES = [START + timedelta(minutes=5 * i) for i in range(5)]


def counted(domain: str, *buckets: tuple[int, int]) -> list[Count]:
    """Counts of (delivered, deferred) bucket by bucket."""
    return [
        Count(i, domain, event_type, events, 0)
        for i, pair in enumerate(buckets)
        for event_type, events in zip(("delivered", "deferred"), pair, strict=True)
        if events
    ]


def test_trouble_begins_with_the_first_bucket_from_which_on_most_fails():
    found = counted("a", (9, 1), (1, 9), (0, 4), (2, 8))

    assert beginnings(found, EDGES) == {"a": EDGES[1]}


def test_silence_neither_begins_nor_ends_trouble():
    assert beginnings(counted("a", (0, 3), (0, 0), (0, 3), (0, 0)), EDGES) == {"a": EDGES[0]}


def test_what_works_again_is_no_trouble_any_more():
    assert beginnings(counted("a", (0, 9), (0, 9), (0, 9), (9, 0)), EDGES) == {}


def test_a_word_needs_enough_attempts_and_half_of_them_refused():
    assert is_trouble(delivered=5, refused=5)
    assert not is_trouble(delivered=6, refused=5)
    assert not is_trouble(delivered=0, refused=9)
