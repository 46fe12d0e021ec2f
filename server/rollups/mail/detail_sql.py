"""SQL of the details: dimensions counted from whole minutes of raw rows, not from batches. Pure."""

from collections.abc import Iterable, Sequence

from server.rollups.levels import (
    DETAILS,
    DETAILS_WITH_HISTOGRAMS,
    GROUP,
    IS_NULL_SENDER,
    MEASURES,
    ONE_MINUTE,
    OTHER,
    Level,
)
from server.rollups.mail import sql

#: Minutes whose details are to be counted, one row for each transaction that changed them. No key:
#: a writer then waits for nobody, and a count of the minute removes only the marks it has seen.
DUE = "email_stats_due"
NAMES = ", ".join(f"'{name}'" for name in DETAILS)
_MEASURES = ", ".join(m.column for m in MEASURES)
_GROUP = ", ".join(GROUP)


def mark(rows: str) -> str:
    """Return the statement that marks the minutes of raw rows as due."""
    minute = sql.bucket(ONE_MINUTE, "occurred_at")
    return f"""INSERT INTO {DUE} (bucket)
SELECT DISTINCT {minute} FROM {rows} WHERE direction = 'outbound'"""


def aggregate(level: Level, source: str) -> str:
    """Return the SELECT that makes the rows of all details of the raw rows of a relation."""
    full = dict.fromkeys(DETAILS_WITH_HISTOGRAMS)
    return "\nUNION ALL\n".join(
        _aggregate(level, source, names, with_histograms=names is full)
        for names in (full, dict.fromkeys(name for name in DETAILS if name not in full))
    )


def _aggregate(level: Level, source: str, names: Iterable[str], *, with_histograms: bool) -> str:
    values = ", ".join(f"{DETAILS[name][0]} AS {name}" for name in names)
    dimension = " ".join(f"WHEN GROUPING({name}) = 0 THEN '{name}'" for name in names)
    value = f"coalesce({', '.join(names)})"
    sets = ", ".join(f"(bucket, direction, event_type, {name})" for name in names)
    return f"""SELECT bucket, direction, event_type, CASE {dimension} END AS dimension,
  {value} AS value,
  {sql.aggregates(level, with_histograms=with_histograms)}
FROM (SELECT {sql.bucket(level, "occurred_at")} AS bucket, direction, event_type, {values},
    {sql.MEASURED}
  FROM {source} WHERE direction = 'outbound' AND NOT {IS_NULL_SENDER}) AS raw
GROUP BY GROUPING SETS ({sets})
HAVING {value} IS NOT NULL"""


def count(
    levels: Sequence[Level], source: str, *, within: str, into: Sequence[Level] | None = None
) -> str:
    """Return the statement that brings the details of whole minutes to what the raw rows give.

    `source`: the raw rows of these minutes; `within`: the condition that a row of `stored` counts
    one of them. Levels, or only those of `into`, get the difference to what the 1-minute level
    counts, which is nothing when it runs twice.
    """
    caps = " ".join(f"WHEN '{name}' THEN {most}" for name, (_, most) in DETAILS.items())
    change = f"""(SELECT {sql.COLUMNS} FROM named
  UNION ALL {sql.negate(f"{ONE_MINUTE.table} AS stored")}
  WHERE dimension IN ({NAMES}) AND {within}) AS change"""
    first = [
        f"fresh AS (\n{aggregate(ONE_MINUTE, source)}\n)",
        # Of a whole minute: those with the most events are named, whatever came first.
        f"""named AS (
  SELECT {_GROUP}, CASE WHEN place <= CASE dimension {caps} END THEN value ELSE '{OTHER}' END
    AS value, {_MEASURES}
  FROM (SELECT *, row_number() OVER (PARTITION BY {_GROUP} ORDER BY events DESC, value) AS place
    FROM fresh) AS placed
)""",
        f"""of_{ONE_MINUTE.name} AS (
{sql.merge(ONE_MINUTE, change)}
HAVING {sql.counts_anything()}
)""",
    ]
    return f"WITH {sql.add(first, levels, into=into)}\nSELECT count(*) FROM of_{ONE_MINUTE.name}"
