"""Outcomes of one value of a dimension, read from the levels: in a range, before it, over time."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from server.events.vocabulary import OUTCOMES
from server.rollups.histogram import NOTHING, DeliveryTimes
from server.rollups.levels import DAILY, DELIVERY_HISTOGRAM, FIVE_MINUTES
from server.rollups.mail.level_query import LevelQuery, fast_sum
from server.rollups.mail.queries import Count, counts
from server.rollups.plan import DAY, HOUR, Buckets, Part, floor, split_by_level
from server.rollups.retention import oldest_counts
from server.timescale.rows import fetch_rows

#: Outcomes of an attempt at which the other side did not take the mail.
REFUSALS = ("bounced", "deferred")
#: What pages count of outbound mail: what was queued, what became of it, what we refused to queue.
SHOWN_TYPES = ("sent", *OUTCOMES["outbound"], "rejected")
#: Days that a trend shows, the running one among them. UTC days, as the level has them.
TREND_DAYS = 30
#: The course shows the newest steps, in which it is looked when refusals began.
COURSE, COURSE_STEP = timedelta(hours=24), timedelta(minutes=15)
#: Steps and days have counts alone: the histograms are most of a row, of a sum's work, and of what
#: has to be planned for each arm.
_COUNTS = "event_type, events, inferred_events"
_BINS = [measure.column for measure in DELIVERY_HISTOGRAM]
_COUNTS_AND_TIMES = ", ".join([_COUNTS, "delivery_count", "delivery_ms_sum", *_BINS])
#: Columns of an arm → what is summed of them.
SUMS = {
    _COUNTS: "0, 0, NULL::bigint[]",
    _COUNTS_AND_TIMES: f"""coalesce(sum(delivery_count), 0)::bigint,
  coalesce(sum(delivery_ms_sum), 0)::bigint,
  ARRAY[{", ".join(f"coalesce({fast_sum(column)}, 0)" for column in _BINS)}]::bigint[]""",
}
#: All of the key is named, so that the few rows are looked up and not the many between.
ARM = """SELECT {columns},
    %(base_{i})s + width_bucket(bucket, %(edges_{i})s::timestamptz[]) - 1 AS place
  FROM {table}
  WHERE dimension = %(dimension)s AND direction = 'outbound'
    AND bucket >= %(start_{i})s::timestamptz AND bucket < %(end_{i})s::timestamptz
    AND bucket = ANY(%(starts_{i})s::timestamptz[])
    AND event_type = ANY(%(types)s) AND value = ANY(%(names)s::text[])"""


@dataclass(frozen=True)
class Outcomes:
    """Events by type, and how long the deliveries among them took."""

    events: Counter[str] = field(default_factory=Counter)
    inferred: int = 0
    times: DeliveryTimes = NOTHING

    def __getitem__(self, event_type: str) -> int:
        return self.events[event_type]

    @property
    def attempts(self) -> int:
        """Attempts whose outcome is known: what was queued (`sent`) is none."""
        return sum(self.events[kind] for kind in OUTCOMES["outbound"])

    @property
    def refused(self) -> int:
        return sum(self.events[kind] for kind in REFUSALS)


@dataclass(frozen=True)
class Stretch:
    """Outcomes from `start` on, up to the next one."""

    start: datetime
    outcomes: Outcomes


@dataclass(frozen=True)
class History:
    """Outcomes in a range, in the same time before it (None: not kept), in the steps of the last
    COURSE, and on the last TREND_DAYS; oldest first, empty ones too. Steps and days are without
    delivery times."""

    outcomes: Outcomes
    before: Outcomes | None
    course: list[Stretch]
    trend: list[Stretch]


@dataclass(frozen=True)
class _Piece:
    """Buckets of a level between edges; the first of them has the number `base`."""

    part: Part
    edges: Sequence[datetime]
    base: int
    columns: str = _COUNTS_AND_TIMES


def read_history(dimension: str, names: Sequence[str], buckets: Buckets, now: datetime) -> History:
    """Return the outcomes of a value by all of its names. Before is a day earlier, or as many days
    as the range has.

    Runs one query.
    """
    shift = shift_before(buckets)
    has_before = buckets.start - shift >= oldest_counts(now)[buckets.level]
    steps, days = _steps_until(now), _days_until(now)
    pieces = [*_split(buckets, timedelta(), 0)]
    if has_before:
        pieces += _split(replace(buckets, is_running=False), shift, 1)
    pieces.append(_Piece(Part(FIVE_MINUTES, steps[0], steps[-1]), steps, 2, _COUNTS))
    pieces.append(_Piece(Part(DAILY, days[0], days[-1]), days, 1 + len(steps), _COUNTS))
    by_place = _sum(pieces, dimension, names)
    return History(
        by_place[0],
        by_place[1] if has_before else None,
        [Stretch(start, by_place[2 + i]) for i, start in enumerate(steps[:-1])],
        [Stretch(start, by_place[1 + len(steps) + i]) for i, start in enumerate(days[:-1])],
    )


def shift_before(buckets: Buckets) -> timedelta:
    """Return how much earlier the time before is: as many whole days as the range has, or one.

    A range of 24 hours is some minutes longer in whole buckets, and a day all the same.
    """
    return max(DAY, -(-(buckets.end - buckets.start - HOUR) // DAY) * DAY)


def read_values(query: LevelQuery, values: Sequence[str]) -> dict[str, Outcomes]:
    """Return the outcomes of each value that has any, over all of the query's time."""
    return add_counts(counts(query, values=values, event_types=OUTCOMES["outbound"]))


def add_counts(rows: Iterable[Count]) -> dict[str, Outcomes]:
    """Return outcomes by value. Pure."""
    by_value: defaultdict[str, Outcomes] = defaultdict(Outcomes)
    for count in rows:
        by_value[count.value].events[count.event_type] += count.events
    return dict(by_value)


def _split(buckets: Buckets, earlier: timedelta, base: int) -> Iterator[_Piece]:
    start, end = buckets.start - earlier, buckets.end - earlier
    for part in split_by_level(buckets.level, start, end, is_running=buckets.is_running):
        yield _Piece(part, (start, end), base)


def _steps_until(now: datetime) -> list[datetime]:
    end = floor(now, COURSE_STEP) + COURSE_STEP
    return [end - COURSE + i * COURSE_STEP for i in range(COURSE // COURSE_STEP + 1)]


def _days_until(now: datetime) -> list[datetime]:
    end = floor(now, DAY) + DAY
    return [end - (TREND_DAYS - i) * DAY for i in range(TREND_DAYS + 1)]


def _sum(
    pieces: Sequence[_Piece], dimension: str, names: Sequence[str]
) -> defaultdict[int, Outcomes]:
    """Return events and delivery times by number of the bucket."""
    values: dict[str, Any] = {
        "dimension": dimension, "names": list(names), "types": list(SHOWN_TYPES),
    }  # fmt: skip
    for i, piece in enumerate(pieces):
        part = piece.part
        values |= {f"start_{i}": part.start, f"end_{i}": part.end, f"starts_{i}": part.starts}
        values |= {f"edges_{i}": list(piece.edges), f"base_{i}": piece.base}
    statement = " UNION ALL ".join(_sum_columns(pieces, columns) for columns in SUMS)
    sums: defaultdict[int, Outcomes] = defaultdict(Outcomes)
    for place, kind, events, inferred, count, ms_sum, histogram in fetch_rows(statement, values):
        before = sums[place]
        times = DeliveryTimes(count, ms_sum, tuple(histogram)) if histogram else NOTHING
        sums[place] = Outcomes(
            before.events + Counter({kind: events}),
            before.inferred + inferred,
            times if kind == "delivered" else before.times,
        )
    return sums


def _sum_columns(pieces: Sequence[_Piece], columns: str) -> str:
    """Return the statement that sums the pieces of which these columns are read."""
    arms = "\n  UNION ALL\n  ".join(
        ARM.format(columns=columns, table=piece.part.level.table, i=i)
        for i, piece in enumerate(pieces)
        if piece.columns is columns
    )
    return f"""SELECT place, event_type, sum(events)::bigint, sum(inferred_events)::bigint,
  {SUMS[columns]}
FROM (
  {arms}
) AS arms GROUP BY 1, 2"""  # noqa: S608 (names of the declaration)
