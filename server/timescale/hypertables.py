"""The hypertables of this database as TimescaleDB knows them, continuous aggregates among them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

#: A continuous aggregate is a view over a hypertable of another name.
HYPERTABLES = """SELECT coalesce(c.view_name, d.hypertable_name) AS name,
  format('%%I.%%I', d.hypertable_schema, d.hypertable_name), d.column_name
FROM timescaledb_information.dimensions AS d
LEFT JOIN timescaledb_information.continuous_aggregates AS c
  ON c.materialization_hypertable_schema = d.hypertable_schema
  AND c.materialization_hypertable_name = d.hypertable_name
WHERE d.dimension_number = 1 AND coalesce(c.view_name, d.hypertable_name) = ANY(%s)
ORDER BY 1"""
MEASURED = """SELECT approximate_row_count(%(relation)s::regclass),
  coalesce(hypertable_size(%(relation)s::regclass), 0),
  count(chunk_name), count(*) FILTER (WHERE is_compressed),
  (array_agg(range_end ORDER BY range_end))[1]
FROM timescaledb_information.chunks
WHERE format('%%I.%%I', hypertable_schema, hypertable_name) = %(relation)s"""


@dataclass(frozen=True)
class Usage:
    """Rows (PostgreSQL's estimate), size (with indexes) and age of one hypertable."""

    rows: int
    size_bytes: int
    chunks: int
    compressed_chunks: int
    oldest_at: datetime | None
    oldest_chunk_ends_at: datetime | None


def measure(names: list[str]) -> Iterator[tuple[str, Usage]]:
    """Yield the usage of the hypertables of these names; other names are left out."""
    with connection.cursor() as cursor:
        cursor.execute(HYPERTABLES, [names])
        for name, relation, time_column in cursor.fetchall():
            cursor.execute(MEASURED, {"relation": relation})
            rows, size_bytes, chunks, compressed, oldest_end = cursor.fetchone()
            # Bounded by the oldest chunk: without an index on time alone this would read all of
            # them.
            cursor.execute(
                f"SELECT min({time_column}) FROM {relation}"  # noqa: S608 (of the catalogue)
                f" WHERE {time_column} < %s",
                [oldest_end],
            )
            (oldest_at,) = cursor.fetchone()
            yield name, Usage(rows, size_bytes, chunks, compressed, oldest_at, oldest_end)
