"""Queries to samples and their levels. Time ranges are parameters, and always bound the time.

Samples are read as if each were a row of a level, so that one statement answers from either.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from server.metrics.catalogue import SampleKind
from server.nodes.freshness import READINGS
from server.rollups.levels import Level
from server.rollups.plan import SAMPLES, Buckets
from server.rollups.samples import sql as sample_sql
from server.rollups.samples.levels import SampleLevel, rate_name
from server.timescale.rows import fetch_rows

#: How far before the first edge the row is looked for from which a counter grew: so many buckets of
#: the level, or this long where samples are read.
ROWS_BEFORE = 6
SAMPLES_BEFORE = timedelta(minutes=15)
#: A node that sent nothing of a kind for longer has no newest sample of it.
NEWEST_WITHIN = timedelta(days=7)
#: More programs or ports than one sample has rows of: a bound of the rows that are read.
MAX_PARTS_OF_A_SAMPLE = 32


@dataclass(frozen=True)
class Chosen:
    """The readings to answer: names of gauges, names of counters."""

    gauges: tuple[str, ...]
    counters: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of a bucket's readings: means, then the highest, then rates."""
        highest = (f"{name}_max" for name in self.gauges)
        return (*self.gauges, *highest, *(rate_name(name) for name in self.counters))


class Bucket(NamedTuple):
    """The readings of one series in the bucket that begins at edge `bucket`.

    `readings`: of gauges the mean as `x` and the highest as `x_max`; of counters what they grew by
    in a second since the sample before, which may lie in an earlier bucket. None: not known.
    """

    node: str
    dimensions: tuple[str, ...]
    bucket: int
    samples: int
    readings: dict[str, float | None]


class Newest(NamedTuple):
    """The newest sample of a series as JSON, and when the newest few were taken."""

    node: str
    dimensions: tuple[str, ...]
    time: datetime
    readings: dict[str, Any]
    times: list[datetime]


def series(
    kind: SampleKind, buckets: Buckets, chosen: Chosen, *, node: str | None = None
) -> list[Bucket]:
    """Return the readings by series and bucket; buckets without samples are left out."""
    before = buckets.level.width * ROWS_BEFORE or SAMPLES_BEFORE
    values = {
        "edges": list(buckets.edges),
        "start": buckets.start,
        "end": buckets.end,
        "before": buckets.start - before,
        "node": node,
    }
    rows = fetch_rows(_series(kind, buckets.level, chosen), values)
    names, first = chosen.names, 1 + len(kind.dimensions)
    return [
        # The lists are as long as each other: one was made of the other.
        Bucket(row[0], row[1:first], row[first], row[first + 1], dict(zip(names, row[first + 2 :])))  # noqa: B905
        for row in rows
    ]


def newest(kind: SampleKind, now: datetime, *, node: str | None = None) -> list[Newest]:
    """Return the newest sample of each node and series, those of wrong clocks' future left out."""
    values = {"since": now - NEWEST_WITHIN, "now": now, "node": node}
    samples = []
    for name, time, text, times in fetch_rows(_newest(kind), values):
        readings: dict[str, Any] = json.loads(text)
        dimensions = tuple(readings[dimension] for dimension in kind.dimensions)
        samples.append(Newest(name, dimensions, time, readings, times))
    return samples


@cache
def _series(kind: SampleKind, level: Level, chosen: Chosen) -> str:
    if level is SAMPLES:
        time, rows = "time", sample_sql.of_samples(kind, kind.table)
    else:
        time, rows = "bucket", f"SELECT * FROM {SampleLevel(kind, level).table}"  # noqa: S608
    key = ", ".join(kind.key)
    before = "".join(f", lag({name}) OVER w AS {name}_before" for name in chosen.counters)
    parts = [f"sum({name}_sum) / nullif(sum({name}_count), 0)" for name in chosen.gauges]
    parts += [f"max({name}_max)" for name in chosen.gauges]
    parts += [_rate(name) for name in chosen.counters]
    answers = "".join(f",\n  {part}" for part in parts)
    dimensions = "".join(f", stepped.{name}" for name in kind.dimensions)
    return f"""WITH rows AS (
{rows}
WHERE {time} >= %(before)s::timestamptz AND {time} < %(end)s::timestamptz
  AND (%(node)s::text IS NULL
    OR node_id = (SELECT id FROM nodes_node WHERE name = %(node)s))
), stepped AS (
SELECT *, lag(last_at) OVER w AS last_at_before{before}
FROM rows
WINDOW w AS (PARTITION BY {key} ORDER BY bucket)
)
SELECT n.name{dimensions}, width_bucket(bucket, %(edges)s::timestamptz[]) - 1 AS place,
  sum(samples)::bigint{answers}
FROM stepped JOIN nodes_node AS n ON n.id = node_id
WHERE bucket >= %(start)s::timestamptz
GROUP BY n.name{dimensions}, place"""  # noqa: S608


def _rate(counter: str) -> str:
    """Return the expression of how much a counter grew in a second, over restarts from nothing."""
    known = f"{counter} IS NOT NULL AND {counter}_before IS NOT NULL"
    return f"""(sum(CASE WHEN {counter} >= {counter}_before THEN {counter} - {counter}_before
    ELSE {counter} END) FILTER (WHERE {known}) / nullif(extract(epoch FROM
    sum(last_at - last_at_before) FILTER (WHERE {known})), 0))::float"""


@cache
def _newest(kind: SampleKind) -> str:
    """Return the statement of `newest`: a few steps down the unique index for each node.

    Rows are compared, not columns, because the planner would go down the index on time instead, and
    read all samples of the others to find that a silent node has none.
    """
    within = (
        "(node_id, time) > (n.id, %(since)s) AND (node_id, time) <= (n.id, %(now)s)"
        " AND time > %(since)s AND time <= %(now)s"
    )
    rows = READINGS * (MAX_PARTS_OF_A_SAMPLE if kind.dimensions else 1)
    return f"""SELECT n.name, s.time, to_jsonb(s) - 'id' - 'node_id' - 'time', t.times
FROM nodes_node AS n
CROSS JOIN LATERAL (
  SELECT array_agg(DISTINCT time) AS times, max(time) AS newest_at FROM (
    SELECT time FROM {kind.table} WHERE {within}
    ORDER BY node_id DESC, time DESC LIMIT {rows}
  ) AS newest_rows
) AS t
JOIN {kind.table} AS s ON s.node_id = n.id AND s.time = t.newest_at
WHERE %(node)s::text IS NULL OR n.name = %(node)s
ORDER BY 1"""  # noqa: S608
