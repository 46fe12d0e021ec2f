"""Questions to the levels. Time ranges are always parameters, and always bound the bucket."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection
from django.utils import timezone

from server.events.mapping import MAX_AHEAD
from server.rollups.histogram import DeliveryTimes
from server.rollups.level_query import Over, bucket_of, fetched, quick_sum, rows_of, starts_of
from server.rollups.levels import DAILY, DELIVERY_HISTOGRAM, SIZE_HISTOGRAM, Level
from server.rollups.partition import are_days, midnights, parts, shifts

#: The types a page counts for each direction, in the order in which it shows them.
SHOWN = {
    "inbound": ("received", "delivered", "rejected", "greylisted", "deferred"),
    "outbound": ("sent", "delivered", "bounced", "deferred"),
}
EVENT_TYPES = (
    "received", "sent", "delivered", "bounced", "deferred", "rejected", "greylisted", "dropped",
)  # fmt: skip
#: The types that say how an attempt, or a recipient, ended: ratios are of their sum.
OUTCOMES = {
    "inbound": ("delivered", "rejected", "greylisted", "deferred"),
    "outbound": ("delivered", "bounced", "deferred"),
}
#: The type whose events carry the size of the whole message.
SIZED_BY = {"inbound": "received", "outbound": "delivered"}
HOUR = timedelta(hours=1)
#: Looking up more rows than these one by one takes longer than reading all of them.
PROBES_MAX = 5_000


@dataclass(frozen=True)
class HourTotals:
    """Events of the last 60 minutes by type, for each direction; and how many were inferred."""

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
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT direction, event_type, sum(events), sum(inferred_events) FROM email_stats_1m"
            " WHERE dimension = 'all' AND bucket > %s AND bucket < %s GROUP BY 1, 2",
            [now - HOUR - timedelta(minutes=1), now + MAX_AHEAD],
        )
        rows = cursor.fetchall()
    counts = {(direction, kind): int(events) for direction, kind, events, _ in rows}
    inbound, outbound = (
        {kind: counts.get((direction, kind), 0) for kind in SHOWN[direction]}
        for direction in ("inbound", "outbound")
    )
    return HourTotals(inbound, outbound, int(sum(row[3] for row in rows)))


def counts(
    over: Over, *, values: Sequence[str] | None = None, event_types: Sequence[str] = EVENT_TYPES
) -> list[Count]:
    """Return the events by bucket, value and type; buckets without any are left out."""
    if values and are_days(over.level, over.edges):
        return _counts_of_days(over, values, event_types)
    buckets = (over.edges[-1] - over.edges[0]) // over.level.width
    if values and buckets * len(values) * len(event_types) <= PROBES_MAX:
        starts = starts_of(over.level, over.edges[0], over.edges[-1])
        return _probed(over, values, event_types, starts)
    statement = f"""SELECT {bucket_of(over)}, value, event_type, sum(events)::bigint,
  sum(inferred_events)::bigint
FROM {rows_of(over)}
WHERE event_type = ANY(%(types)s) GROUP BY 1, 2, 3"""  # noqa: S608 (names of the declaration)
    rows = fetched(statement, over, values=values, types=list(event_types))
    return [Count(*row) for row in rows]


def _counts_of_days(over: Over, values: Sequence[str], event_types: Sequence[str]) -> list[Count]:
    """Count days of another time zone: UTC days, with the hours between its midnights and ours.

    What is between is added on one side and taken off on the other, so a day of few values is a few
    hundred rows to look up. The hours of all values between are tens of thousands.
    """
    found: Counter[tuple[int, str, str]] = Counter()
    inferred: Counter[tuple[int, str, str]] = Counter()

    def add(sign: int, bucket: int, count: Count) -> None:
        if 0 <= bucket < len(over.edges) - 1:
            key = (bucket, count.value, count.event_type)
            found[key] += sign * count.events
            inferred[key] += sign * count.inferred

    of_days = Over(DAILY, midnights(over.edges), over.direction, over.dimension)
    days = starts_of(DAILY, of_days.edges[0], of_days.edges[-1])
    for count in _probed(of_days, values, event_types, days):
        add(1, count.bucket, count)
    moved = shifts(over.edges)
    starts: dict[Level, list[datetime]] = {}
    for shift in moved:
        for part in parts(over.level, shift.start, shift.end):
            starts.setdefault(part.level, []).extend(starts_of(*part))
    for level, of_level in starts.items():
        between = Over(level, [shift.start for shift in moved], over.direction, over.dimension)
        for count in _probed(between, values, event_types, of_level):
            sign = moved[count.bucket].sign
            add(sign, count.bucket, count)
            add(-sign, count.bucket - 1, count)
    # Continuous aggregates may show a late event a minute sooner in hours than in days.
    return [Count(*key, n, max(0, inferred[key])) for key, n in found.items() if n > 0]


def _probed(
    over: Over, values: Sequence[str], event_types: Sequence[str], starts: Sequence[datetime]
) -> list[Count]:
    """Count the buckets of a level that begin at `starts`, each in the bucket of `over` it is in.

    All of the key is named, so that the few rows are looked up and not the many between.
    """
    statement = f"""SELECT width_bucket(bucket, %(edges)s::timestamptz[]) - 1, value, event_type,
  sum(events)::bigint, sum(inferred_events)::bigint
FROM {over.level.table}
WHERE dimension = %(dimension)s AND direction = %(direction)s
  AND bucket >= %(start)s::timestamptz AND bucket <= %(last)s::timestamptz
  AND bucket = ANY(%(starts)s::timestamptz[])
  AND event_type = ANY(%(types)s) AND value = ANY(%(values)s)
GROUP BY 1, 2, 3"""  # noqa: S608 (names of the declaration)
    if not starts:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            {
                "edges": list(over.edges),
                "dimension": over.dimension,
                "direction": over.direction,
                "start": min(starts),
                "last": max(starts),
                "starts": list(starts),
                "types": list(event_types),
                "values": list(values),
            },
        )
        return [Count(*row) for row in cursor.fetchall()]


def largest_values(over: Over, *, limit: int, event_type: str | None = None) -> list[str]:
    """Return the values with the most events (of one type), the largest first."""
    statement = f"""SELECT value FROM {rows_of(over)}
WHERE %(event_type)s::text IS NULL OR event_type = %(event_type)s
GROUP BY 1 ORDER BY {quick_sum("events")} DESC, value LIMIT %(limit)s"""  # noqa: S608
    rows = fetched(statement, over, limit=limit, event_type=event_type)
    return [value for (value,) in rows]


def totals(over: Over, *, event_type: str, limit: int | None = None) -> list[tuple[str, int]]:
    """Return the events of one type by value, the largest first."""
    statement = f"""SELECT value, sum(events)::bigint FROM {rows_of(over)}
WHERE event_type = %(event_type)s
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %(limit)s"""  # noqa: S608
    rows = fetched(statement, over, limit=limit, event_type=event_type)
    return [(row[0], row[1]) for row in rows]


def delivery_times(over: Over, *, values: Sequence[str] | None = None) -> list[Times]:
    """Return the times of deliveries by bucket and value."""
    bins = ", ".join(f"coalesce({quick_sum(m.column)}, 0)" for m in DELIVERY_HISTOGRAM)
    statement = f"""SELECT {bucket_of(over)}, value, sum(delivery_count)::bigint,
  sum(delivery_ms_sum)::bigint, ARRAY[{bins}]::bigint[]
FROM {rows_of(over)} WHERE event_type = 'delivered'
GROUP BY 1, 2"""  # noqa: S608
    return [
        Times(bucket, value, DeliveryTimes(count, ms_sum, tuple(bins)))
        for bucket, value, count, ms_sum, bins in fetched(statement, over, values=values)
    ]


def sizes(over: Over) -> list[Sizes]:
    """Return the sizes of messages by bucket, each message where its size is known for sure."""
    brackets = ", ".join(f"coalesce(sum({m.column}), 0)" for m in SIZE_HISTOGRAM)
    statement = f"""SELECT {bucket_of(over)}, sum(size_count)::bigint, sum(size_bytes)::bigint,
  ARRAY[{brackets}]::bigint[]
FROM {rows_of(over)} WHERE event_type = %(event_type)s GROUP BY 1"""  # noqa: S608
    rows = fetched(statement, over, event_type=SIZED_BY[over.direction])
    return [Sizes(bucket, count, total, tuple(found)) for bucket, count, total, found in rows]
