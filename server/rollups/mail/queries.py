"""Queries to the levels. Time ranges are always parameters, and always bound the bucket."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from server.events.mapping import MAX_AHEAD
from server.events.vocabulary import DIRECTIONS, MAIL_TYPES, OUTCOMES, SHOWN, SIZED_BY
from server.rollups.histogram import DeliveryTimes
from server.rollups.levels import DAILY, DELIVERY_HISTOGRAM, SIZE_HISTOGRAM
from server.rollups.mail.level_query import LevelQuery, fast_sum
from server.rollups.plan import (
    Part,
    are_days,
    nearest_midnights,
    shifts_to_midnight,
    starts_by_level,
)
from server.timescale.rows import fetch_rows

HOUR = timedelta(hours=1)
#: Looking up more rows than these one by one takes longer than reading all of them.
MAX_LOOKUPS = 5_000


@dataclass(frozen=True)
class HourTotals:
    """Events of the last 60 minutes by type, for each direction.

    `inferred`: how many of the outbound outcomes were.
    """

    inbound: dict[str, int]
    outbound: dict[str, int]
    inferred: int


class Count(NamedTuple):
    """Events of one type of one value in the bucket that begins at edge `bucket`."""

    bucket: int
    value: str
    event_type: str
    events: int
    inferred: int


class Times(NamedTuple):
    """Delivery times of one value in one bucket."""

    bucket: int
    value: str
    times: DeliveryTimes


@dataclass(frozen=True)
class Sizes:
    """Message sizes in one bucket: their number and sum, and how many fell into each bracket."""

    bucket: int
    count: int
    bytes_sum: int
    brackets: tuple[int, ...]


def hour_totals() -> HourTotals:
    """Count the last 60 whole minutes and the running one."""
    now = timezone.now()
    rows = fetch_rows(
        "SELECT direction, event_type, sum(events), sum(inferred_events) FROM email_stats_1m"
        " WHERE dimension = 'all' AND bucket > %s AND bucket < %s GROUP BY 1, 2",
        [now - HOUR - timedelta(minutes=1), now + MAX_AHEAD],
    )
    counts = {(direction, kind): int(events) for direction, kind, events, _ in rows}
    inbound, outbound = (
        {kind: counts.get((direction, kind), 0) for kind in SHOWN[direction]}
        for direction in DIRECTIONS
    )
    inferred = sum(
        count
        for direction, kind, _, count in rows
        if direction == "outbound" and kind in OUTCOMES["outbound"]
    )
    return HourTotals(inbound, outbound, int(inferred))


def counts(
    query: LevelQuery,
    *,
    values: Sequence[str] | None = None,
    event_types: Sequence[str] = MAIL_TYPES,
) -> list[Count]:
    """Return the events by bucket, value and type; buckets without any are left out."""
    if values and are_days(query.level, query.edges):
        return _count_days(query, values, event_types)
    part = Part(query.level, query.edges[0], query.edges[-1])
    if values and len(part.starts) * len(values) * len(event_types) <= MAX_LOOKUPS:
        return _look_up(query, values, event_types, part.starts)
    statement = f"""SELECT {query.bucket}, value, event_type, sum(events)::bigint,
  sum(inferred_events)::bigint
FROM {query.relation}
WHERE event_type = ANY(%(types)s) GROUP BY 1, 2, 3"""  # noqa: S608 (names of the declaration)
    rows = query.execute(statement, values=values, types=list(event_types))
    return [Count(*row) for row in rows]


def _count_days(
    query: LevelQuery, values: Sequence[str], event_types: Sequence[str]
) -> list[Count]:
    """Count days of another time zone: UTC days, with the hours between its midnights and ours.

    What is between is added on one side and taken off on the other, so a day of few values is a few
    hundred rows to look up. The hours of all values between are tens of thousands.
    """
    events: Counter[tuple[int, str, str]] = Counter()
    inferred: Counter[tuple[int, str, str]] = Counter()

    def add(sign: int, bucket: int, count: Count) -> None:
        if 0 <= bucket < len(query.edges) - 1:
            key = (bucket, count.value, count.event_type)
            events[key] += sign * count.events
            inferred[key] += sign * count.inferred

    midnights = nearest_midnights(query.edges)
    of_days = replace(query, level=DAILY, edges=midnights)
    days = Part(DAILY, midnights[0], midnights[-1]).starts
    for count in _look_up(of_days, values, event_types, days):
        add(1, count.bucket, count)
    shifts = shifts_to_midnight(query.edges)
    for level, starts in starts_by_level(query.level, shifts).items():
        between = replace(query, level=level, edges=[shift.start for shift in shifts])
        for count in _look_up(between, values, event_types, starts):
            sign = shifts[count.bucket].sign
            add(sign, count.bucket, count)
            add(-sign, count.bucket - 1, count)
    # Continuous aggregates may show a late event a minute sooner in hours than in days.
    return [Count(*key, n, max(0, inferred[key])) for key, n in events.items() if n > 0]


def _look_up(
    query: LevelQuery, values: Sequence[str], event_types: Sequence[str], starts: Sequence[datetime]
) -> list[Count]:
    """Count the buckets of a level that begin at `starts`, each in the query's bucket it is in.

    All of the key is named, so that the few rows are looked up and not the many between.
    """
    statement = f"""SELECT width_bucket(bucket, %(edges)s::timestamptz[]) - 1, value, event_type,
  sum(events)::bigint, sum(inferred_events)::bigint
FROM {query.level.table}
WHERE dimension = %(dimension)s AND direction = %(direction)s
  AND bucket >= %(start)s::timestamptz AND bucket <= %(last)s::timestamptz
  AND bucket = ANY(%(starts)s::timestamptz[])
  AND event_type = ANY(%(types)s) AND value = ANY(%(values)s)
GROUP BY 1, 2, 3"""  # noqa: S608 (names of the declaration)
    if not starts:
        return []
    rows = query.execute(
        statement,
        start=min(starts),
        last=max(starts),
        starts=list(starts),
        types=list(event_types),
        values=list(values),
    )
    return [Count(*row) for row in rows]


def largest_values(query: LevelQuery, *, limit: int, event_type: str | None = None) -> list[str]:
    """Return the values with the most events (of one type), the largest first."""
    statement = f"""SELECT value FROM {query.relation}
WHERE %(event_type)s::text IS NULL OR event_type = %(event_type)s
GROUP BY 1 ORDER BY {fast_sum("events")} DESC, value LIMIT %(limit)s"""  # noqa: S608
    rows = query.execute(statement, limit=limit, event_type=event_type)
    return [value for (value,) in rows]


def totals(
    query: LevelQuery, *, event_type: str, limit: int | None = None
) -> list[tuple[str, int]]:
    """Return the events of one type by value, the largest first."""
    statement = f"""SELECT value, sum(events)::bigint FROM {query.relation}
WHERE event_type = %(event_type)s
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %(limit)s"""  # noqa: S608
    rows = query.execute(statement, limit=limit, event_type=event_type)
    return [(row[0], row[1]) for row in rows]


def delivery_times(query: LevelQuery, *, values: Sequence[str] | None = None) -> list[Times]:
    bins = ", ".join(f"coalesce({fast_sum(m.column)}, 0)" for m in DELIVERY_HISTOGRAM)
    statement = f"""SELECT {query.bucket}, value, sum(delivery_count)::bigint,
  sum(delivery_ms_sum)::bigint, ARRAY[{bins}]::bigint[]
FROM {query.relation} WHERE event_type = 'delivered'
GROUP BY 1, 2"""  # noqa: S608
    return [
        Times(bucket, value, DeliveryTimes(count, ms_sum, tuple(bins)))
        for bucket, value, count, ms_sum, bins in query.execute(statement, values=values)
    ]


def sizes(query: LevelQuery) -> list[Sizes]:
    """Return the sizes of messages by bucket, each message where its size is known for sure."""
    brackets = ", ".join(f"coalesce(sum({m.column}), 0)" for m in SIZE_HISTOGRAM)
    statement = f"""SELECT {query.bucket}, sum(size_count)::bigint, sum(size_bytes)::bigint,
  ARRAY[{brackets}]::bigint[]
FROM {query.relation} WHERE event_type = %(event_type)s GROUP BY 1"""  # noqa: S608
    rows = query.execute(statement, event_type=SIZED_BY[query.direction])
    return [Sizes(bucket, count, total, tuple(brackets)) for bucket, count, total, brackets in rows]
