"""Questions to the levels. Time ranges are always parameters, and always bound the bucket."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from server.events.mapping import MAX_AHEAD
from server.rollups.declaration import DAILY, DELIVERY_HISTOGRAM, SIZE_HISTOGRAM, Level
from server.rollups.histogram import NOTHING, DeliveryTimes
from server.rollups.parts import Part, are_days, midnights, parts, shifts
from server.rollups.sql import COLUMNS

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
PART = """SELECT {columns} FROM {table}
  WHERE dimension = %(dimension)s AND direction = %(direction)s
    AND bucket >= %(start_{i})s::timestamptz AND bucket < %(end_{i})s::timestamptz
    AND (%(starts_{i})s::timestamptz[] IS NULL OR bucket = ANY(%(starts_{i})s::timestamptz[]))
    AND (%(values)s::text[] IS NULL OR value = ANY(%(values)s))"""
#: Up to so many buckets are named one by one, for then the key finds the rows of one type, or of a
#: few values, in each of them. Between two times it finds the rows of all.
NAMED_MAX = 200
#: What is found of a histogram alone, and so sorted by place: the share that took no longer.
PERCENTILES = {"p95_ms": 0.95, "p99_ms": 0.99}
#: What a page of stats may be sorted by: these, a type of events, or the ratio of an outcome.
SORTS = {
    "value": "value",
    "events": "events",
    "size_bytes": "size_bytes",
    "average_ms": "delivery_ms::float / nullif(delivery_count, 0)",
    **dict.fromkeys(PERCENTILES, "place"),
    **{kind: kind for kind in EVENT_TYPES},
    **{
        f"{kind}_ratio": kind
        for kind in dict.fromkeys(kind for kinds in OUTCOMES.values() for kind in kinds)
    },
}


@dataclass(frozen=True)
class HourTotals:
    """Events of the last 60 minutes by type, for each direction; and how many were inferred."""

    inbound: dict[str, int]
    outbound: dict[str, int]
    inferred: int


@dataclass(frozen=True)
class Over:
    """What is counted: the rows of one level, direction and dimension between edges of buckets."""

    level: Level
    edges: Sequence[datetime]
    direction: str
    dimension: str = "all"


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


class Stats(NamedTuple):
    """All of one value: events by type, of which inferred, sizes, and times of deliveries."""

    value: str
    events: dict[str, int]
    inferred: int
    size_bytes: int
    size_count: int
    times: DeliveryTimes


@dataclass(frozen=True)
class StatsPage:
    """Some of the values, and how many there are."""

    values_count: int
    values: list[Stats]


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
        starts = _starts(over.level, over.edges[0], over.edges[-1])
        return _probed(over, values, event_types, starts)
    statement = f"""SELECT {_bucket(over)}, value, event_type, sum(events)::bigint,
  sum(inferred_events)::bigint
FROM {_rows_of(over)}
WHERE event_type = ANY(%(types)s) GROUP BY 1, 2, 3"""  # noqa: S608 (names of the declaration)
    rows = _rows(statement, over, values=values, types=list(event_types))
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
    days = _starts(DAILY, of_days.edges[0], of_days.edges[-1])
    for count in _probed(of_days, values, event_types, days):
        add(1, count.bucket, count)
    moved = shifts(over.edges)
    starts: dict[Level, list[datetime]] = {}
    for shift in moved:
        for part in parts(over.level, shift.start, shift.end):
            starts.setdefault(part.level, []).extend(_starts(*part))
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


def _starts(level: Level, start: datetime, end: datetime) -> list[datetime]:
    """Return where the buckets of a level in [start, end) begin."""
    return [start + i * level.width for i in range((end - start) // level.width)]


def largest_values(over: Over, *, limit: int, event_type: str | None = None) -> list[str]:
    """Return the values with the most events (of one type), the largest first."""
    statement = f"""SELECT value FROM {_rows_of(over)}
WHERE %(event_type)s::text IS NULL OR event_type = %(event_type)s
GROUP BY 1 ORDER BY {_sum("events")} DESC, value LIMIT %(limit)s"""  # noqa: S608
    rows = _rows(statement, over, limit=limit, event_type=event_type)
    return [value for (value,) in rows]


def totals(over: Over, *, event_type: str, limit: int | None = None) -> list[tuple[str, int]]:
    """Return the events of one type by value, the largest first."""
    statement = f"""SELECT value, sum(events)::bigint FROM {_rows_of(over)}
WHERE event_type = %(event_type)s
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %(limit)s"""  # noqa: S608
    return [(row[0], row[1]) for row in _rows(statement, over, limit=limit, event_type=event_type)]


def delivery_times(over: Over, *, values: Sequence[str] | None = None) -> list[Times]:
    """Return the times of deliveries by bucket and value."""
    bins = ", ".join(f"coalesce({_sum(m.column)}, 0)" for m in DELIVERY_HISTOGRAM)
    statement = f"""SELECT {_bucket(over)}, value, sum(delivery_count)::bigint,
  sum(delivery_ms_sum)::bigint, ARRAY[{bins}]::bigint[]
FROM {_rows_of(over)} WHERE event_type = 'delivered'
GROUP BY 1, 2"""  # noqa: S608
    return [
        Times(bucket, value, DeliveryTimes(count, ms_sum, tuple(bins)))
        for bucket, value, count, ms_sum, bins in _rows(statement, over, values=values)
    ]


def sizes(over: Over) -> list[Sizes]:
    """Return the sizes of messages by bucket, each message where its size is known for sure."""
    brackets = ", ".join(f"coalesce(sum({m.column}), 0)" for m in SIZE_HISTOGRAM)
    statement = f"""SELECT {_bucket(over)}, sum(size_count)::bigint, sum(size_bytes)::bigint,
  ARRAY[{brackets}]::bigint[]
FROM {_rows_of(over)} WHERE event_type = %(event_type)s GROUP BY 1"""  # noqa: S608
    rows = _rows(statement, over, event_type=SIZED_BY[over.direction])
    return [Sizes(bucket, count, total, tuple(found)) for bucket, count, total, found in rows]


def stats(over: Over, *, sort: str, descending: bool, limit: int, offset: int) -> StatsPage:
    """Return a page of the values of a dimension, sorted by a key of SORTS.

    `over` has one bucket. Values without what they are sorted by come last, equal ones by value.
    The histograms, which are most of a row, are added up for the values of the page alone, unless
    it is sorted by them.
    """
    ranked: dict[str, DeliveryTimes] = {}
    if sort in PERCENTILES:
        ranked = _ranked(over, PERCENTILES[sort], descending=descending)
        descending = False  # places are counted from the first
    decided = " + ".join(OUTCOMES[over.direction])
    key = SORTS[sort]
    if sort.endswith("_ratio"):
        key = f"{key}::float / nullif({decided}, 0)"
    order = "DESC" if descending else "ASC"
    sized = f"FILTER (WHERE event_type = '{SIZED_BY[over.direction]}')"
    timed = "FILTER (WHERE event_type = 'delivered')"
    events = ", ".join(
        f"coalesce(sum(events) FILTER (WHERE event_type = '{kind}'), 0)::bigint AS {kind}"
        for kind in EVENT_TYPES
    )
    # First by value and type, then by value: a row of a level is then added up once and not for
    # each type it might be of.
    statement = f"""WITH by_type AS (
  SELECT value, event_type, {_sum("events")} AS events, {_sum("inferred_events")} AS inferred,
    {_sum("size_bytes")} AS size_bytes, {_sum("size_count")} AS size_count,
    {_sum("delivery_ms_sum")} AS delivery_ms, {_sum("delivery_count")} AS delivery_count
  FROM {_rows_of(over)} GROUP BY 1, 2
), by_value AS (
  SELECT value, {events}, sum(events)::bigint AS events, sum(inferred)::bigint AS inferred,
    coalesce(sum(size_bytes) {sized}, 0)::bigint AS size_bytes,
    coalesce(sum(size_count) {sized}, 0)::bigint AS size_count,
    sum(delivery_ms) {timed} AS delivery_ms, sum(delivery_count) {timed} AS delivery_count
  FROM by_type GROUP BY 1
)
SELECT by_value.*, count(*) OVER ()
FROM by_value LEFT JOIN unnest(%(ranked)s::text[]) WITH ORDINALITY AS r (value, place) USING (value)
ORDER BY {key} {order} NULLS LAST, value LIMIT %(limit)s OFFSET %(offset)s"""  # noqa: S608
    rows = _rows(statement, over, limit=limit, offset=offset, ranked=list(ranked))
    times = ranked or {
        t.value: t.times for t in delivery_times(over, values=[row[0] for row in rows])
    }
    kinds = len(EVENT_TYPES)
    return StatsPage(
        values_count=rows[0][-1] if rows else 0,
        values=[
            Stats(
                row[0],
                {kind: n for kind, n in zip(EVENT_TYPES, row[1:], strict=False) if n},
                inferred=row[kinds + 2],
                size_bytes=row[kinds + 3],
                size_count=row[kinds + 4],
                times=times.get(row[0], NOTHING),
            )
            for row in rows
        ],
    )


def _ranked(over: Over, share: float, *, descending: bool) -> dict[str, DeliveryTimes]:
    """Return the times of all values that have any, in the order of this percentile."""
    found = [(t.times.percentile_ms(share), t) for t in delivery_times(over)]
    timed = sorted(((ms, t) for ms, t in found if ms is not None), key=lambda each: each[1].value)
    timed.sort(key=lambda each: each[0], reverse=descending)  # stable: equal ones stay by value
    return {t.value: t.times for _, t in timed}


def _parts(over: Over) -> list[Part]:
    """Return what to read: one bucket is put together of all levels, many are of the one level."""
    first, last = over.edges[0], over.edges[-1]
    if len(over.edges) == 2:  # noqa: PLR2004 (one bucket)
        return parts(over.level, first, last)
    return [Part(over.level, first, last)]


def _sum(column: str) -> str:
    """Return a quicker sum of a column than that of bigint, which is made by way of numeric.

    Exact up to 2^53: nine million gigabytes, or days of delivery time that no range holds.
    """
    return f"sum({column}::float8)"


def _rows_of(over: Over) -> str:
    """Return the relation of the rows that are asked for."""
    found = (
        PART.format(columns=COLUMNS, table=part.level.table, i=i)
        for i, part in enumerate(_parts(over))
    )
    return "(\n  " + "\n  UNION ALL\n  ".join(found) + "\n) AS rows"


def _bucket(over: Over) -> str:
    """Return the expression of a row's bucket by number."""
    if len(over.edges) == 2:  # noqa: PLR2004 (one bucket)
        return "0"
    return "width_bucket(bucket, %(edges)s::timestamptz[]) - 1"


def _rows(statement: str, over: Over, **more: Any) -> list[tuple[Any, ...]]:
    values: dict[str, Any] = {
        "edges": list(over.edges),
        "direction": over.direction,
        "dimension": over.dimension,
        "values": None,
        **more,
    }
    for i, part in enumerate(_parts(over)):
        starts = _starts(*part)
        named = starts if len(starts) <= NAMED_MAX else None
        values |= {f"start_{i}": part.start, f"end_{i}": part.end, f"starts_{i}": named}
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
