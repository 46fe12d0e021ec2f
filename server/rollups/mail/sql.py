"""SQL of the levels, made from their declaration. Pure: every name comes from the declaration."""

from collections.abc import Sequence

from server.events.vocabulary import EMPTY_SENDER
from server.rollups.continuous_aggregates import interval
from server.rollups.levels import (
    DELIVERY_BOUNDS_MS,
    DIMENSIONS,
    GROUP,
    IS_NULL_SENDER,
    KEY,
    MAX_VALUES,
    MEASURES,
    NULL_SENDER,
    ONE_MINUTE,
    OTHER,
    SIZE_BOUNDS_BYTES,
    Level,
    Measure,
)

#: The columns of a raw row that levels read; the writer's RETURNING must carry them.
RAW_COLUMNS = (
    "occurred_at", "direction", "event_type", "mta_node", "from_address", "from_domain",
    "to_domain", "sending_ip", "zone", "bounce_type", "bounce_category", "spam_action",
    "certainty", "message_size_bytes", "delivery_time_ms",
)  # fmt: skip

#: The columns of every level, in order.
COLUMNS = ", ".join([*KEY, *(m.column for m in MEASURES)])


def create_table(level: Level) -> str:
    """Return the CREATE TABLE of a level that the writer maintains."""
    measures = ",\n  ".join(
        f"{m.column} bigint" + ("" if m.sparse else " NOT NULL DEFAULT 0") for m in MEASURES
    )
    return f"""CREATE TABLE {level.table} (
  bucket timestamptz NOT NULL,
  direction text NOT NULL,
  event_type text NOT NULL,
  dimension text NOT NULL,
  value text NOT NULL,
  {measures},
  PRIMARY KEY (dimension, bucket, direction, event_type, value)
)"""


def write(
    levels: Sequence[Level],
    source: str,
    *,
    within: str,
    into: Sequence[Level] | None = None,
    is_removal: bool = False,
) -> str:
    """Return the CTEs that add the raw rows of relation `source` to `levels`, or only some of them.

    `levels` are LEVELS from the first on, without a hole. `within`: see `crowded`. `is_removal`:
    take the rows out again.
    """
    rows = aggregate(levels[0], source)
    if is_removal:
        rows = negate(f"({rows}) AS removed_rows")
    return add([f"counted AS (\n{rows}\n)", *bounded(within)], levels, into=into)


def add(first: Sequence[str], levels: Sequence[Level], *, into: Sequence[Level] | None) -> str:
    """Return the CTEs `first`, which end with the rows of the first level, and those that add them.

    Each other level is made of the rows of the one before it: exact, because all measures are sums,
    and much less work than reading the raw rows again.
    """
    parts = [*first]
    for level in levels:
        if level.narrower:
            parts.append(f"of_{level.name} AS (\n{merge(level, f'of_{level.narrower.name}')}\n)")
        if into is None or level in into:
            parts.append(f"into_{level.name} AS (\n{upsert(level, f'of_{level.name}')}\n)")
    return ",\n".join(parts)


def crowded(within: str) -> str:
    """Return the SELECT of the groups in which the rows of `counted` would name too many values,
    with the room that is left in each.

    `within` bounds `stored.bucket`, so that TimescaleDB looks into the chunks of these times alone.
    """
    group = ", ".join(GROUP)
    return f"""SELECT {group}, {MAX_VALUES} - of_stored.named AS room
FROM (SELECT {group}, count(*) AS named FROM counted GROUP BY {group}) AS added
CROSS JOIN LATERAL (
  SELECT count(*) AS named FROM (
    SELECT FROM {ONE_MINUTE.table} AS stored
    WHERE {_is_stored(GROUP)} AND {within} LIMIT {MAX_VALUES}) AS stored
) AS of_stored
WHERE added.named + of_stored.named > {MAX_VALUES}"""


def bounded(within: str) -> list[str]:
    """Return the CTEs that make the rows of the 1-minute level of those of `counted`.

    A value that its bucket names already stays named, so that it is taken out where it was added.
    Of new values those with the most events are named while there is room.
    """
    group = ", ".join(GROUP)
    measures = ", ".join(m.column for m in MEASURES)
    others = f"""(SELECT {group}, '{OTHER}' AS value, {measures}
  FROM placed WHERE NOT is_named) AS others"""
    return [
        f"crowded AS (\n{crowded(within)}\n)",
        f"""placed AS (
  SELECT *, value <> '{OTHER}' AND (is_stored OR row_number() OVER (
    PARTITION BY {group}, is_stored ORDER BY events DESC, value) <= room) AS is_named
  FROM (
    SELECT added.*, crowded.room, EXISTS (
      SELECT FROM {ONE_MINUTE.table} AS stored
      WHERE {_is_stored(KEY)} AND {within}) AS is_stored
    FROM counted AS added JOIN crowded USING ({group})
  ) AS looked_up
)""",
        f"""of_{ONE_MINUTE.name} AS (
  SELECT {COLUMNS} FROM counted WHERE ({group}) NOT IN (SELECT {group} FROM crowded)
  UNION ALL SELECT {COLUMNS} FROM placed WHERE is_named
  UNION ALL {merge(ONE_MINUTE, others)}
)""",
    ]


def _is_stored(columns: Sequence[str]) -> str:
    return " AND ".join(f"stored.{name} = added.{name}" for name in columns)


def negate(rows: str) -> str:
    """Return the SELECT of level rows with each measure negated: adding these takes them out."""
    measures = ", ".join(f"-{m.column} AS {m.column}" for m in MEASURES)
    return f"SELECT {', '.join(KEY)}, {measures} FROM {rows}"


def upsert(level: Level, rows: str) -> str:
    """Return the statement that adds the level rows of relation `rows` to a level.

    Rows are added in key order, so that two workers never wait for each other in a circle.
    """
    additions = ", ".join(_addition(m, level) for m in MEASURES)
    return f"""INSERT INTO {level.table} ({COLUMNS})
SELECT {COLUMNS} FROM {rows}
ORDER BY dimension, bucket, direction, event_type, value
ON CONFLICT ({", ".join(KEY)}) DO UPDATE SET {additions}"""


def number(measure: Measure, relation: str) -> str:
    """Return the expression of a measure of a row as a number, for what compares rows."""
    column = f"{relation}.{measure.column}"
    return f"coalesce({column}, 0)" if measure.sparse else column


def counts_anything() -> str:
    """Return the condition that a group of rows counts anything when it is added up."""
    return " OR ".join(f"coalesce(sum({m.column}), 0) <> 0" for m in MEASURES)


def _addition(measure: Measure, level: Level) -> str:
    old, more = f"{level.table}.{measure.column}", f"EXCLUDED.{measure.column}"
    added = f"coalesce({old} + {more}, {old}, {more})" if measure.sparse else f"{old} + {more}"
    return f"{measure.column} = {_bounded(measure, level, added)}"


def _bounded(measure: Measure, level: Level, value: str) -> str:
    return f"least({value}, {level.max_sum})" if measure.saturates else value


def merge(level: Level, rows: str) -> str:
    """Return the SELECT that makes the rows of a level of those of a narrower one."""
    _, *dimensions = KEY
    measures = ",\n  ".join(f"sum({m.column})::bigint AS {m.column}" for m in MEASURES)
    return f"""SELECT {bucket(level, "bucket")} AS bucket, {", ".join(dimensions)},
  {measures}
FROM {rows}
GROUP BY 1, {", ".join(dimensions)}"""


def bucket(level: Level, column: str) -> str:
    """Return the expression of the bucket into which a time falls."""
    return f"time_bucket({interval(level.width)}, {column})"


def aggregate(level: Level, source: str) -> str:
    """Return the SELECT that makes level rows of the raw rows of relation `source`."""
    sets = [("all", None), *((name, name) for name in DIMENSIONS)]
    dimension = " ".join(f"WHEN {_mask(column)} THEN '{name}'" for name, column in sets)
    groups = ", ".join(
        f"(bucket, direction, event_type, is_null_sender{column})"
        for column in ["", *(f", {name}" for name in DIMENSIONS)]
    )
    value = ", ".join(DIMENSIONS)
    measures = aggregates(level)
    inner = ",\n    ".join(f"{expression} AS {name}" for name, expression in DIMENSIONS.items())
    return f"""SELECT bucket, direction, event_type,
  CASE WHEN is_null_sender THEN '{NULL_SENDER}'
       ELSE CASE GROUPING({value}) {dimension} END END AS dimension,
  CASE WHEN is_null_sender THEN '{EMPTY_SENDER}' ELSE coalesce({value}, '') END AS value,
  {measures}
FROM (
  SELECT {bucket(level, "occurred_at")} AS bucket, direction, event_type,
    {IS_NULL_SENDER} AS is_null_sender,
    {inner},
    {MEASURED}
  FROM {source}
) AS raw
GROUP BY GROUPING SETS ({groups})
HAVING NOT is_null_sender OR GROUPING({value}) = {_mask(None)}"""


def aggregates(level: Level, *, with_histograms: bool = True) -> str:
    """Return the measures of raw rows that have MEASURED; those of histograms may be left empty."""
    return ",\n  ".join(
        f"{_bounded(m, level, m.aggregate) if with_histograms or not m.sparse else 'NULL::bigint'}"
        f" AS {m.column}"
        for m in MEASURES
    )


def _mask(column: str | None) -> int:
    """Return GROUPING()'s number for the set that groups by `column` only: a 1 for each other."""
    return sum(
        1 << position for position, name in enumerate(reversed(list(DIMENSIONS))) if name != column
    )


def _numbers(bounds: tuple[int, ...]) -> str:
    return ",".join(map(str, bounds))


#: What measures are made of, of a raw row.
MEASURED = f"""certainty, message_size_bytes, delivery_time_ms,
    width_bucket(delivery_time_ms, '{{{_numbers(DELIVERY_BOUNDS_MS)}}}'::bigint[]) AS delivery_bin,
    width_bucket(message_size_bytes, '{{{_numbers(SIZE_BOUNDS_BYTES)}}}'::bigint[]) AS size_bin"""
