"""Pure: from the words of a query string to a stretch of time, its buckets, and the level to read.

What holds for every range:
- `range` ends now; `from` and `to` are used instead when given, `to` being now by default.
- Times carry their offset; one without is refused, as is a `from` that is not before `to`, and a
  `from` that has not come yet. A `to` that has not come yet is moved to now.
- Edges are moved outwards to whole buckets. Answers say from when to when they count.
- Buckets of up to an hour lie on the UTC clock. Days begin at midnight in the time zone `tz`, so
  that one of them may have 23 or 25 hours.
- What is past retention is not there any more: the range then begins where counts begin, and the
  answer says `cut`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from server.rollups.levels import FIVE_MINUTES, LEVELS, ONE_HOUR, Level

RANGES = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
DAY = timedelta(days=1)
#: Widths a bucket may have.
WIDTHS = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "1d": DAY,
}
#: More than these would be no chart any more, and a burden to make.
MAX_BUCKETS = 2_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")


class BadRange(ValueError):
    """The range makes no sense, or asks for too much; the text says why."""


@dataclass(frozen=True)
class Span:
    """[start, end), both in UTC. `now` is when it was asked for."""

    start: datetime
    end: datetime
    now: datetime


@dataclass(frozen=True)
class Buckets:
    """The edges of neighbouring buckets, and the level whose rows fall into them whole.

    `cut`: the range began before the oldest counts, so the first edge is later than asked for.
    """

    edges: tuple[datetime, ...]
    level: Level
    width: timedelta
    cut: bool

    @property
    def start(self) -> datetime:
        """The first edge."""
        return self.edges[0]

    @property
    def end(self) -> datetime:
        """The last edge, which may be later than now."""
        return self.edges[-1]


def span(name: str | None, start: datetime | None, end: datetime | None, *, now: datetime) -> Span:
    """Return the stretch of time asked for: `name` of RANGES, or `start` to `end`."""
    if start is None:
        if end is not None:
            raise BadRange("`to` needs a `from`")
        return Span(now - RANGES[name or "24h"], now, now)
    if name is not None:
        raise BadRange("`range` and `from` exclude each other")
    if start >= now:
        raise BadRange("`from` has not come yet")
    end = now if end is None else end
    if start >= end:
        raise BadRange("`from` is not before `to`")
    return Span(start, min(end, now), now)


def usual_width(length: timedelta) -> timedelta:
    """Return the width of buckets for a range: 5 minutes under 6 h, 1 h up to 7 d, else a day."""
    if length < RANGES["6h"]:
        return FIVE_MINUTES.width
    return ONE_HOUR.width if length <= RANGES["7d"] else DAY


def buckets(
    asked: Span,
    *,
    width: timedelta | None,
    zone: ZoneInfo,
    oldest: Mapping[Level, datetime],
) -> Buckets:
    """Return the buckets of a span and the level to read.

    `oldest`: from when on each level surely holds everything. The widest level is read that holds
    the start and has an edge wherever a bucket has one. Raises BadRange.
    """
    given = width is not None
    width = width or usual_width(asked.end - asked.start)
    earliest = min(oldest.values())
    start = max(asked.start, earliest)
    if start >= asked.end:
        raise BadRange(f"nothing is kept from before {earliest.isoformat()}")
    for candidate in [width] if given else _from(width):
        found = edges(start, asked.end, candidate, zone)
        if found[0] < earliest:
            found = found[1:]
        level = _level(found, candidate, oldest) if len(found) > 1 else None
        if level:
            return Buckets(found, level, candidate, cut=asked.start < earliest)
    raise BadRange(
        "counts this narrow are not kept for so long: choose a later `from`, a larger `width`, or"
        " a `tz` whose days begin on a whole hour"
    )


def edges(start: datetime, end: datetime, width: timedelta, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Return the edges of the buckets that cover [start, end). Raises BadRange: too many."""
    if (end - start) / width > MAX_BUCKETS:
        raise BadRange(f"more than {MAX_BUCKETS} buckets: choose a larger `width`")
    found = [_floor(start, width, zone)]
    while found[-1] < end:
        found.append(_next(found[-1], width, zone))
    return tuple(found)


def _from(width: timedelta) -> list[timedelta]:
    return [each for each in WIDTHS.values() if each >= width]


def _level(
    found: Sequence[datetime], width: timedelta, oldest: Mapping[Level, datetime]
) -> Level | None:
    for level in reversed(LEVELS):
        whole = all((edge - EPOCH) % level.width == timedelta() for edge in found)
        if level.width <= width and whole and found[0] >= oldest[level]:
            return level
    return None


def _floor(at: datetime, width: timedelta, zone: ZoneInfo) -> datetime:
    if width < DAY:
        return _floor_utc(at, width)
    return _midnight(at.astimezone(zone), zone)


def _next(edge: datetime, width: timedelta, zone: ZoneInfo) -> datetime:
    if width < DAY:
        return edge + width
    # Noon of the next day, whatever the clocks do in the night.
    day = edge.astimezone(zone).date() + DAY
    return _midnight(datetime.combine(day, time(12), zone), zone)


def _midnight(at: datetime, zone: ZoneInfo) -> datetime:
    return datetime.combine(at.date(), time(), zone).astimezone(UTC)


def _floor_utc(at: datetime, width: timedelta) -> datetime:
    return EPOCH + (at - EPOCH) // width * width
