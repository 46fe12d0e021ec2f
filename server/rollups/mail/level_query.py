"""Query of a level: the rows it counts, and its run. All queries to the levels are made of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from server.rollups.levels import Level
from server.rollups.mail.sql import COLUMNS
from server.rollups.plan import Buckets, Part, split_by_level
from server.timescale.rows import fetch_rows

PART = """SELECT {columns} FROM {table}
  WHERE dimension = %(dimension)s AND direction = %(direction)s
    AND bucket >= %(start_{i})s::timestamptz AND bucket < %(end_{i})s::timestamptz
    AND (%(starts_{i})s::timestamptz[] IS NULL OR bucket = ANY(%(starts_{i})s::timestamptz[]))
    AND (%(values)s::text[] IS NULL OR value = ANY(%(values)s))
    AND (%(prefix)s::text IS NULL OR starts_with(value, %(prefix)s)
      AND strpos(substr(value, length(%(prefix)s) + 1), ' ') = 0)"""
#: Up to so many buckets are named one by one, for then the key finds the rows of one type, or of a
#: few values, in each of them. Between two times it finds the rows of all.
MAX_NAMED = 200


@dataclass(frozen=True)
class LevelQuery:
    """The rows of one level, direction and dimension, counted in the buckets between `edges`.

    `prefix`: how their values begin, up to the last blank, as the pairs of one provider do; None:
    any. `is_running`: no row is of later than the last edge.
    """

    level: Level
    edges: Sequence[datetime]
    direction: str
    dimension: str = "all"
    prefix: str | None = None
    is_running: bool = False

    @classmethod
    def of(cls, buckets: Buckets, direction: str, dimension: str = "all") -> "LevelQuery":
        is_running = buckets.is_running
        return cls(buckets.level, buckets.edges, direction, dimension, is_running=is_running)

    @property
    def is_single(self) -> bool:
        return len(self.edges) == 2  # noqa: PLR2004 (its two edges)

    @property
    def parts(self) -> list[Part]:
        """The rows to read: one bucket is added up from all levels, many from the one level."""
        if self.is_single:
            return split_by_level(self.level, *self.edges, is_running=self.is_running)
        return [Part(self.level, self.edges[0], self.edges[-1])]

    @property
    def relation(self) -> str:
        """The SQL of the rows."""
        selects = (
            PART.format(columns=COLUMNS, table=part.level.table, i=i)
            for i, part in enumerate(self.parts)
        )
        return "(\n  " + "\n  UNION ALL\n  ".join(selects) + "\n) AS rows"

    @property
    def bucket(self) -> str:
        """The SQL of the number of a row's bucket."""
        return "0" if self.is_single else "width_bucket(bucket, %(edges)s::timestamptz[]) - 1"

    def execute(self, statement: str, **more: Any) -> list[tuple[Any, ...]]:
        """Run a statement made of `relation` and `bucket`; `more` are its own parameters."""
        values: dict[str, Any] = {
            "edges": list(self.edges),
            "direction": self.direction,
            "dimension": self.dimension,
            "values": None,
            "prefix": self.prefix,
            **more,
        }
        for i, part in enumerate(self.parts):
            starts = part.starts if len(part.starts) <= MAX_NAMED else None
            values |= {f"start_{i}": part.start, f"end_{i}": part.end, f"starts_{i}": starts}
        return fetch_rows(statement, values)


def fast_sum(column: str) -> str:
    """Return a faster sum of a column than that of bigint, which is made by way of numeric.

    Exact up to 2^53: nine million gigabytes, or days of delivery time that no range holds.
    """
    return f"sum({column}::float8)"
