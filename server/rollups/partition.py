"""Pure: which levels to add up for a stretch of time, so that as few rows as possible are read.

Thirty days that begin at midnight in Berlin are 29 UTC days and 24 hours, not 720 hours. And a day
in Berlin is a UTC day with the two hours before it, without its own last two.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from server.rollups.levels import DAILY, LEVELS, Level

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class Part(NamedTuple):
    """The buckets of one level in [start, end)."""

    level: Level
    start: datetime
    end: datetime


def parts(level: Level, start: datetime, end: datetime) -> list[Part]:
    """Return neighbouring parts that make up [start, end), oldest first.

    `level` is the narrowest to use; both ends are edges of its buckets. Wider levels are kept as
    long as it at least (a check sees to that), so what it holds, they hold.
    """
    if start >= end:
        return []
    place = LEVELS.index(level) + 1
    if place < len(LEVELS):
        wider = LEVELS[place]
        first = start + (EPOCH - start) % wider.width
        last = end - (end - EPOCH) % wider.width
        if first < last:
            head, tail = Part(level, start, first), Part(level, last, end)
            inner = parts(wider, first, last)
            return [part for part in (head, *inner, tail) if part.start < part.end]
    return [Part(level, start, end)]


class Shift(NamedTuple):
    """An edge of a bucket moved to the UTC midnight next to it: by what lies in [start, end).

    To the buckets beside the edge that is `sign` more after it, and so much less before it.
    """

    start: datetime
    end: datetime
    sign: int


def are_days(level: Level, edges: Sequence[datetime]) -> bool:
    """Return whether these are several days which do not begin at midnight in UTC."""
    gaps = (after - before for before, after in pairwise(edges))
    return level is not DAILY and len(edges) > 2 and all(gap > DAY * 0.9 for gap in gaps)  # noqa: PLR2004


def midnights(edges: Sequence[datetime]) -> list[datetime]:
    """Return the UTC midnight next to each edge."""
    return [edge + DAY / 2 - (edge + DAY / 2 - EPOCH) % DAY for edge in edges]


def shifts(edges: Sequence[datetime]) -> list[Shift]:
    """Return what lies between each edge and the midnight next to it."""
    return [
        Shift(edge, midnight, 1) if edge <= midnight else Shift(midnight, edge, -1)
        for edge, midnight in zip(edges, midnights(edges), strict=True)
    ]
