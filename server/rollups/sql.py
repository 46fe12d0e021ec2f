"""SQL made from the declaration. Pure: text in, text out; every name comes from the declaration."""

from server.rollups.declaration import (
    DELIVERY_BOUNDS_MS,
    DIMENSIONS,
    IS_NULL_SENDER,
    KEY,
    MEASURES,
    NULL_SENDER,
    SIZE_BOUNDS_BYTES,
    Level,
)

#: What the levels read of a raw row; the writer's RETURNING must carry these columns.
RAW_COLUMNS = (
    "occurred_at", "direction", "event_type", "mta_node", "from_address", "from_domain",
    "to_domain", "sending_ip", "certainty", "message_size_bytes", "delivery_time_ms",
)  # fmt: skip


def create_table(level: Level) -> str:
    """Return the CREATE TABLE of a level kept by the writer."""
    measures = ",\n  ".join(f"{m.column} bigint NOT NULL DEFAULT 0" for m in MEASURES)
    return f"""CREATE TABLE {level.table} (
  bucket timestamptz NOT NULL,
  direction text NOT NULL,
  event_type text NOT NULL,
  dimension text NOT NULL,
  value text NOT NULL,
  {measures},
  PRIMARY KEY (dimension, bucket, direction, event_type, value)
)"""


def upsert(level: Level, source: str) -> str:
    """Return the statement that adds the raw rows of relation `source` to a level.

    Rows are added in key order, so that two workers never wait for each other in a circle.
    """
    columns = [*KEY, *(m.column for m in MEASURES)]
    additions = ", ".join(
        f"{m.column} = {level.table}.{m.column} + EXCLUDED.{m.column}" for m in MEASURES
    )
    return f"""INSERT INTO {level.table} ({", ".join(columns)})
{aggregate(level, source)}
ORDER BY dimension, bucket, direction, event_type, value
ON CONFLICT ({", ".join(KEY)}) DO UPDATE SET {additions}"""


def aggregate(level: Level, source: str) -> str:
    """Return the SELECT that makes level rows of the raw rows of relation `source`."""
    sets = [("all", None), *((name, name) for name in DIMENSIONS)]
    dimension = " ".join(f"WHEN {_mask(column)} THEN '{name}'" for name, column in sets)
    groups = ", ".join(
        f"(bucket, direction, event_type, is_null_sender{column})"
        for column in ["", *(f", {name}" for name in DIMENSIONS)]
    )
    value = ", ".join(DIMENSIONS)
    measures = ",\n  ".join(f"{m.aggregate} AS {m.column}" for m in MEASURES)
    inner = ",\n    ".join(f"{expression} AS {name}" for name, expression in DIMENSIONS.items())
    return f"""SELECT bucket, direction, event_type,
  CASE WHEN is_null_sender THEN '{NULL_SENDER}'
       ELSE CASE GROUPING({value}) {dimension} END END AS dimension,
  CASE WHEN is_null_sender THEN '<>' ELSE coalesce({value}, '') END AS value,
  {measures}
FROM (
  SELECT time_bucket('{level.width}', occurred_at) AS bucket, direction, event_type,
    {IS_NULL_SENDER} AS is_null_sender,
    {inner},
    certainty, message_size_bytes, delivery_time_ms,
    width_bucket(delivery_time_ms, '{{{_numbers(DELIVERY_BOUNDS_MS)}}}'::bigint[]) AS delivery_bin,
    width_bucket(message_size_bytes, '{{{_numbers(SIZE_BOUNDS_BYTES)}}}'::bigint[]) AS size_bin
  FROM {source}
) AS raw
GROUP BY GROUPING SETS ({groups})
HAVING NOT is_null_sender OR GROUPING({value}) = {_mask(None)}"""


def _mask(column: str | None) -> int:
    """Return GROUPING()'s number for the set that groups by `column` only: a 1 for each other."""
    return sum(
        1 << position for position, name in enumerate(reversed(list(DIMENSIONS))) if name != column
    )


def _numbers(bounds: tuple[int, ...]) -> str:
    return ",".join(map(str, bounds))
