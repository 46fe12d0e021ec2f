"""Plan of a query: which level is read for a range of time, and in which buckets. Pure.

What holds for every range:
- `range` ends now; `from` and `to` are used instead when given, `to` being now by default.
- Times carry their offset; one without is refused, as is a `from` that is not before `to`, and a
  `from` that has not come yet. A `to` that has not come yet is moved to now.
- Edges are moved outwards to whole buckets. Answers state from when to when they count.
- Buckets of up to an hour lie on the UTC clock. Days begin at midnight in the time zone `tz`, so
  that one of them may have 23 or 25 hours.
- What is past retention is not there any more: the range then begins where counts begin, and the
  answer states `cut`.

A single bucket is added up from all levels, so that as few rows as possible are read: thirty days
that begin at midnight in Berlin are 29 UTC days and 24 hours, not 720 hours. And a day in Berlin is
a UTC day with the two hours before it, without its own last two.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from server.rollups.levels import DAILY, FIVE_MINUTES, LEVELS, ONE_HOUR, Level

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RANGES = {"1h": HOUR, "6h": 6 * HOUR, "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
#: Years of times that are asked for: others are mistakes, and arithmetic with them overflows.
YEARS = range(1970, 3000)
#: Widths a bucket may have.
WIDTHS = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "1h": HOUR,
    "1d": DAY,
}
#: Up to this length a chart has buckets of an hour: of samples, and of mail as pages draw it.
MAX_HOURLY_SAMPLES, MAX_HOURLY_MAIL = 31 * DAY, 15 * DAY
#: More than these would be no chart any more, and a burden to make.
MAX_BUCKETS = 2_000
#: Samples as they were sent, where a level of theirs is chosen.
SAMPLES = Level("samples", "", timedelta(), 0)


class BadRange(ValueError):
    """The range makes no sense, or is too large; the text names the reason."""


@dataclass(frozen=True)
class Span:
    """[start, end), both in UTC. `now` is the time of the request."""

    start: datetime
    end: datetime
    now: datetime


@dataclass(frozen=True)
class Buckets:
    """The edges of neighbouring buckets, and the level whose rows fall into them whole.

    `cut`: the range began before the oldest rows, so the first edge is later than requested.
    `is_running`: the last bucket is that of now, so no row is of later.
    """

    edges: tuple[datetime, ...]
    level: Level
    width: timedelta
    cut: bool = False
    is_running: bool = False

    @property
    def start(self) -> datetime:
        return self.edges[0]

    @property
    def end(self) -> datetime:
        """The last edge, which may be later than now."""
        return self.edges[-1]

    @property
    def merged(self) -> "Buckets":
        """All of the time as one bucket."""
        return replace(self, edges=(self.start, self.end))


def parse_span(
    name: str | None, start: datetime | None, end: datetime | None, *, now: datetime
) -> Span:
    """Return the range `name` of RANGES, or from `start` to `end`. Raises BadRange."""
    if start is None:
        if end is not None:
            raise BadRange("`to` needs a `from`")
        return Span(now - RANGES[name or "24h"], now, now)
    if name is not None:
        raise BadRange("`range` and `from` exclude each other")
    if start >= now:
        raise BadRange("`from` is in the future")
    end = now if end is None else end
    if start >= end:
        raise BadRange("`from` is not before `to`")
    return Span(start, min(end, now), now)


def plan_counts(
    span: Span, *, width: timedelta | None, zone: ZoneInfo, oldest: Mapping[Level, datetime]
) -> Buckets:
    """Return the buckets in which events of a span are counted.

    `oldest`: from when on each level surely holds everything. The widest level is read that holds
    the start and has an edge wherever a bucket has one. Raises BadRange.
    """
    candidates = [width] if width else _widths_from(count_width(span.end - span.start))
    earliest = min(oldest.values())
    start = _start(span, earliest)
    for candidate in candidates:
        edges = bucket_edges(start, span.end, candidate, zone)
        if edges[0] < earliest:
            edges = edges[1:]
        level = _aligned_level(edges, candidate, oldest) if len(edges) > 1 else None
        if level:
            is_cut, is_running = span.start < earliest, span.end >= span.now
            return Buckets(edges, level, candidate, is_cut, is_running)
    raise BadRange(
        "counts this narrow are not kept for so long: choose a later `from`, a larger `width`, or"
        " a `tz` whose days begin on a whole hour"
    )


def plan_samples(
    span: Span, *, width: timedelta | None, oldest: Mapping[Level, datetime]
) -> Buckets:
    """Return the buckets in which samples of a span are read, and from SAMPLES or which level.

    `oldest`: from when on each of them surely holds everything. Of the widths from the usual one
    on, the first is taken whose level holds the start. Raises BadRange.
    """
    usual = chart_width(span.end - span.start, hourly_up_to=MAX_HOURLY_SAMPLES)
    candidates = [width] if width else _widths_from(usual)
    levels = [widest_level(candidate, oldest) for candidate in candidates]
    earliest = min(oldest[level] for level in levels)
    start = _start(span, earliest)
    for candidate, level in zip(candidates, levels, strict=True):
        if oldest[level] <= start:
            edges = bucket_edges(start, span.end, candidate)
            return Buckets(edges, level, candidate, cut=start > span.start)
    raise BadRange(f"buckets this narrow are kept from {earliest.isoformat()} on only")


def plan_total(
    start: datetime, end: datetime, *, now: datetime, zone: ZoneInfo = UTC_ZONE
) -> Buckets:
    """Return one bucket for a page's range, with the edges of the buckets that its charts draw."""
    width = chart_width(end - start, hourly_up_to=MAX_HOURLY_MAIL)
    is_running, end = end >= now, min(end, now)
    if width < DAY:
        first = floor(start, width)
        last = max(ceil(end, width), first + width)
    else:
        first = _midnight(start.astimezone(zone), zone)
        last = _midnight(end.astimezone(zone), zone)
        if last < end or last == first:
            last = _next_edge(last, width, zone)
    aligned = [each for each in LEVELS if _is_aligned((first, last), each)]
    level = widest_level(width, aligned)
    return Buckets((first, last), level, width, is_running=is_running)


def count_width(length: timedelta) -> timedelta:
    """Return the API's width of buckets for counts over a range of this length."""
    if length < RANGES["6h"]:
        return FIVE_MINUTES.width
    return ONE_HOUR.width if length <= RANGES["7d"] else DAY


def chart_width(length: timedelta, *, hourly_up_to: timedelta) -> timedelta:
    """Return the width of buckets that draws a range well; for mail as chartWidth in flow.js."""
    bounds = (
        (2 * HOUR, WIDTHS["1m"]),
        (12 * HOUR, WIDTHS["5m"]),
        (2 * DAY, WIDTHS["15m"]),
        (hourly_up_to, HOUR),
    )
    return next((width for longest, width in bounds if length <= longest), DAY)


def widest_level(width: timedelta, levels: Iterable[Level]) -> Level:
    """Return the widest of `levels` whose rows are not wider than a bucket of this width."""
    return max((each for each in levels if each.width <= width), key=lambda each: each.width)


def bucket_edges(
    start: datetime, end: datetime, width: timedelta, zone: ZoneInfo = UTC_ZONE
) -> tuple[datetime, ...]:
    """Return the edges of the buckets that cover [start, end). Raises BadRange: too many."""
    if (end - start) / width > MAX_BUCKETS:
        raise BadRange(f"more than {MAX_BUCKETS} buckets: choose a larger `width`")
    edges = [floor(start, width) if width < DAY else _midnight(start.astimezone(zone), zone)]
    while edges[-1] < end:
        edges.append(_next_edge(edges[-1], width, zone))
    return tuple(edges)


def floor(at: datetime, width: timedelta) -> datetime:
    """Return where the bucket of the UTC clock begins that `at` is in."""
    return EPOCH + (at - EPOCH) // width * width


def ceil(at: datetime, width: timedelta) -> datetime:
    """Return the first edge of buckets of the UTC clock that is not before `at`."""
    return EPOCH - (EPOCH - at) // width * width


class Part(NamedTuple):
    """The buckets of one level in [start, end)."""

    level: Level
    start: datetime
    end: datetime

    @property
    def starts(self) -> list[datetime]:
        width = self.level.width
        return [self.start + i * width for i in range((self.end - self.start) // width)]


def split_by_level(
    level: Level, start: datetime, end: datetime, *, is_running: bool = False
) -> list[Part]:
    """Return neighbouring parts that make up [start, end), oldest first.

    `level` is the narrowest to use; both ends are edges of its buckets. Wider levels are kept as
    long as it at least (a check sees to that), so what it holds, they hold. `is_running`: no row
    is of later than the end, so that the wider bucket it is in may be read: today is one row of a
    value instead of one of each of its hours.
    """
    if start >= end:
        return []
    place = LEVELS.index(level) + 1
    if place < len(LEVELS):
        wider = LEVELS[place]
        round_end = ceil if is_running else floor
        first, last = ceil(start, wider.width), round_end(end, wider.width)
        if first < last:
            head, tail = Part(level, start, first), Part(level, last, end)
            inner = split_by_level(wider, first, last, is_running=is_running)
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


def nearest_midnights(edges: Sequence[datetime]) -> list[datetime]:
    """Return the UTC midnight next to each edge."""
    return [floor(edge + DAY / 2, DAY) for edge in edges]


def shifts_to_midnight(edges: Sequence[datetime]) -> list[Shift]:
    """Return what lies between each edge and the midnight next to it."""
    return [
        Shift(edge, midnight, 1) if edge <= midnight else Shift(midnight, edge, -1)
        for edge, midnight in zip(edges, nearest_midnights(edges), strict=True)
    ]


def starts_by_level(level: Level, shifts: Iterable[Shift]) -> dict[Level, list[datetime]]:
    """Return where the buckets begin that make up the shifts; `level` is the narrowest to use."""
    starts: dict[Level, list[datetime]] = {}
    for shift in shifts:
        for part in split_by_level(level, shift.start, shift.end):
            starts.setdefault(part.level, []).extend(part.starts)
    return starts


def _start(span: Span, earliest: datetime) -> datetime:
    start = max(span.start, earliest)
    if start >= span.end:
        raise BadRange(f"nothing is kept from before {earliest.isoformat()}")
    return start


def _widths_from(width: timedelta) -> list[timedelta]:
    return [each for each in WIDTHS.values() if each >= width]


def _aligned_level(
    edges: Sequence[datetime], width: timedelta, oldest: Mapping[Level, datetime]
) -> Level | None:
    for level in reversed(LEVELS):
        fits = level.width <= width and _is_aligned(edges, level)
        if fits and edges[0] >= oldest[level]:
            return level
    return None


def _is_aligned(edges: Iterable[datetime], level: Level) -> bool:
    return all(edge == floor(edge, level.width) for edge in edges)


def _next_edge(edge: datetime, width: timedelta, zone: ZoneInfo) -> datetime:
    if width < DAY:
        return edge + width
    # Noon of the next day, whatever the clocks do in the night.
    day = edge.astimezone(zone).date() + DAY
    return _midnight(datetime.combine(day, time(12), zone), zone)


def _midnight(at: datetime, zone: ZoneInfo) -> datetime:
    return datetime.combine(at.date(), time(), zone).astimezone(UTC)
