"""Statistics of each value of a dimension, sorted, in pages."""

from dataclasses import dataclass
from typing import NamedTuple

from server.events.vocabulary import MAIL_TYPES, OUTCOMES, SIZED_BY
from server.rollups.histogram import NOTHING, DeliveryTimes
from server.rollups.mail.level_query import LevelQuery, fast_sum
from server.rollups.mail.queries import delivery_times

#: Known from a histogram alone, and so sorted by rank: the share that took no longer.
PERCENTILES = {"p95_ms": 0.95, "p99_ms": 0.99}
#: Sort keys of a page of stats: these, a type of events, or the ratio of an outcome.
SORTS = {
    "value": "value",
    "events": "events",
    "size_bytes": "size_bytes",
    "average_ms": "delivery_ms::float / nullif(delivery_count, 0)",
    **dict.fromkeys(PERCENTILES, "place"),
    **{kind: kind for kind in MAIL_TYPES},
    **{
        f"{kind}_ratio": kind
        for kind in dict.fromkeys(kind for kinds in OUTCOMES.values() for kind in kinds)
    },
}


class Stats(NamedTuple):
    """All of one value: events by type, of which inferred, sizes, and times of deliveries."""

    value: str
    events: dict[str, int]
    inferred: int
    size_bytes: int
    times: DeliveryTimes


@dataclass(frozen=True)
class StatsPage:
    """Some of the values, and how many there are."""

    values_count: int
    values: list[Stats]


def stats(
    query: LevelQuery,
    *,
    sort: str = "value",
    descending: bool = False,
    limit: int = 1,
    offset: int = 0,
    value: str | None = None,
) -> StatsPage:
    """Return a page of the values of a dimension, or of one value, sorted by a key of SORTS.

    The query has one bucket. Values without what they are sorted by come last, equal ones by value.
    The histograms, which are most of a row, are added up for the values of the page alone, unless
    it is sorted by them.
    """
    ranked: dict[str, DeliveryTimes] = {}
    if sort in PERCENTILES:
        ranked = _rank(query, PERCENTILES[sort], descending=descending)
        descending = False  # places are counted from the first
    decided = " + ".join(OUTCOMES[query.direction])
    key = SORTS[sort]
    if sort.endswith("_ratio"):
        key = f"{key}::float / nullif({decided}, 0)"
    order = "DESC" if descending else "ASC"
    sized = f"FILTER (WHERE event_type = '{SIZED_BY[query.direction]}')"
    timed = "FILTER (WHERE event_type = 'delivered')"
    events = ", ".join(
        f"coalesce(sum(events) FILTER (WHERE event_type = '{kind}'), 0)::bigint AS {kind}"
        for kind in MAIL_TYPES
    )
    # First by value and type, then by value: a row of a level is then added up once and not for
    # each type it might be of.
    statement = f"""WITH by_type AS (
  SELECT value, event_type, {fast_sum("events")} AS events,
    {fast_sum("inferred_events")} AS inferred,
    {fast_sum("size_bytes")} AS size_bytes,
    {fast_sum("delivery_ms_sum")} AS delivery_ms, {fast_sum("delivery_count")} AS delivery_count
  FROM {query.relation} GROUP BY 1, 2
), by_value AS (
  SELECT value, {events}, sum(events)::bigint AS events, sum(inferred)::bigint AS inferred,
    coalesce(sum(size_bytes) {sized}, 0)::bigint AS size_bytes,
    sum(delivery_ms) {timed} AS delivery_ms, sum(delivery_count) {timed} AS delivery_count
  FROM by_type GROUP BY 1
)
SELECT by_value.*, count(*) OVER ()
FROM by_value LEFT JOIN unnest(%(ranked)s::text[]) WITH ORDINALITY AS r (value, place) USING (value)
ORDER BY {key} {order} NULLS LAST, value LIMIT %(limit)s OFFSET %(offset)s"""  # noqa: S608
    values = None if value is None else [value]
    paged = {"limit": limit, "offset": offset, "ranked": list(ranked)}
    rows = query.execute(statement, values=values, **paged)
    times = ranked or {
        t.value: t.times for t in delivery_times(query, values=[row[0] for row in rows])
    }
    kinds = len(MAIL_TYPES)
    return StatsPage(
        values_count=rows[0][-1] if rows else 0,
        values=[
            Stats(
                row[0],
                {kind: n for kind, n in zip(MAIL_TYPES, row[1:], strict=False) if n},
                inferred=row[kinds + 2],
                size_bytes=row[kinds + 3],
                times=times.get(row[0], NOTHING),
            )
            for row in rows
        ],
    )


def _rank(query: LevelQuery, share: float, *, descending: bool) -> dict[str, DeliveryTimes]:
    """Return the times of all values that have any, in the order of this percentile."""
    times = [(t.times.percentile_ms(share), t) for t in delivery_times(query)]
    timed = sorted(((ms, t) for ms, t in times if ms is not None), key=lambda each: each[1].value)
    timed.sort(key=lambda each: each[0], reverse=descending)  # stable: equal ones stay by value
    return {t.value: t.times for _, t in timed}
