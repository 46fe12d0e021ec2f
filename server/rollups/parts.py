"""Pure: which levels to add up for a stretch of time, so that as few rows as possible are read.

Thirty days that begin at midnight in Berlin are 29 UTC days and 24 hours, not 720 hours.
"""

from datetime import UTC, datetime
from typing import NamedTuple

from server.rollups.declaration import LEVELS, Level

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
