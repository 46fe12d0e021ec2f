"""How rows of the levels are read: what every question to them has in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from server.rollups.levels import Level
from server.rollups.mail.sql import COLUMNS
from server.rollups.partition import Part, parts

PART = """SELECT {columns} FROM {table}
  WHERE dimension = %(dimension)s AND direction = %(direction)s
    AND bucket >= %(start_{i})s::timestamptz AND bucket < %(end_{i})s::timestamptz
    AND (%(starts_{i})s::timestamptz[] IS NULL OR bucket = ANY(%(starts_{i})s::timestamptz[]))
    AND (%(values)s::text[] IS NULL OR value = ANY(%(values)s))"""
#: Up to so many buckets are named one by one, for then the key finds the rows of one type, or of a
#: few values, in each of them. Between two times it finds the rows of all.
NAMED_MAX = 200


@dataclass(frozen=True)
class Over:
    """What is counted: the rows of one level, direction and dimension between edges of buckets."""

    level: Level
    edges: Sequence[datetime]
    direction: str
    dimension: str = "all"


def starts_of(level: Level, start: datetime, end: datetime) -> list[datetime]:
    """Return where the buckets of a level in [start, end) begin."""
    return [start + i * level.width for i in range((end - start) // level.width)]


def _parts(over: Over) -> list[Part]:
    """Return what to read: one bucket is put together of all levels, many are of the one level."""
    first, last = over.edges[0], over.edges[-1]
    if len(over.edges) == 2:  # noqa: PLR2004 (one bucket)
        return parts(over.level, first, last)
    return [Part(over.level, first, last)]


def quick_sum(column: str) -> str:
    """Return a quicker sum of a column than that of bigint, which is made by way of numeric.

    Exact up to 2^53: nine million gigabytes, or days of delivery time that no range holds.
    """
    return f"sum({column}::float8)"


def rows_of(over: Over) -> str:
    """Return the relation of the rows that are asked for."""
    found = (
        PART.format(columns=COLUMNS, table=part.level.table, i=i)
        for i, part in enumerate(_parts(over))
    )
    return "(\n  " + "\n  UNION ALL\n  ".join(found) + "\n) AS rows"


def bucket_of(over: Over) -> str:
    """Return the expression of a row's bucket by number."""
    if len(over.edges) == 2:  # noqa: PLR2004 (one bucket)
        return "0"
    return "width_bucket(bucket, %(edges)s::timestamptz[]) - 1"


def fetched(statement: str, over: Over, **more: Any) -> list[tuple[Any, ...]]:
    values: dict[str, Any] = {
        "edges": list(over.edges),
        "direction": over.direction,
        "dimension": over.dimension,
        "values": None,
        **more,
    }
    for i, part in enumerate(_parts(over)):
        starts = starts_of(*part)
        named = starts if len(starts) <= NAMED_MAX else None
        values |= {f"start_{i}": part.start, f"end_{i}": part.end, f"starts_{i}": named}
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
