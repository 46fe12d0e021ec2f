"""SQL of the samples' levels, made from their declaration. Pure: names of the declaration only."""

from collections.abc import Iterator, Sequence

from server.metrics.catalogue import SampleKind
from server.rollups.continuous_aggregates import interval
from server.rollups.samples.levels import SampleLevel


def columns(kind: SampleKind) -> tuple[str, ...]:
    """Return the columns of every level of a kind, in order."""
    gauges = (f"{g.name}_{part}" for g in kind.gauges for part in ("sum", "count", "max"))
    return ("bucket", *kind.key, "samples", "last_at", *gauges, *kind.counters)


def level_key(kind: SampleKind) -> tuple[str, ...]:
    """Return the columns that identify a row of a level."""
    return (*kind.key, "bucket")


def create_table(level: SampleLevel) -> str:
    """Return the CREATE TABLE of a level that the writer maintains."""
    kind = level.kind
    dimensions = "".join(f"  {name} text NOT NULL,\n" for name in kind.dimensions)
    gauges = "".join(
        f"  {g.name}_sum float NOT NULL,\n  {g.name}_count bigint NOT NULL,\n"
        f"  {g.name}_max float,\n"
        for g in kind.gauges
    )
    counters = "".join(f"  {name} bigint,\n" for name in kind.counters)
    return f"""CREATE TABLE {level.table} (
  bucket timestamptz NOT NULL,
  node_id bigint NOT NULL,
{dimensions}  samples bigint NOT NULL,
  last_at timestamptz NOT NULL,
{gauges}{counters}  PRIMARY KEY ({", ".join(level_key(kind))})
)"""


def aggregate(level: SampleLevel, source: str | None = None) -> str:
    """Return the SELECT that makes the rows of a level: of samples, or of the narrower level.

    `source`: a relation with their rows, instead of their table.
    """
    narrower = level.narrower
    if narrower is None:
        return of_raw(level, source or level.kind.table)
    return merge(level, source or narrower.table)


def of_raw(level: SampleLevel, source: str) -> str:
    """Return the SELECT that makes the rows of a level of the samples themselves."""
    columns = [
        "count(*) AS samples",
        "max(time) AS last_at",
        *_gauges(level.kind, "coalesce(sum({value}), 0)", "count({value})", "max({value})"),
        *(f"last({name}, time) AS {name}" for name in level.kind.counters),
    ]
    return _select(level, "time", columns, source)


def merge(level: SampleLevel, source: str) -> str:
    """Return the SELECT that makes the rows of a level of those of a narrower one."""
    columns = [
        "sum(samples)::bigint AS samples",
        "max(last_at) AS last_at",
        *_gauges(level.kind, "sum({name}_sum)", "sum({name}_count)::bigint", "max({name}_max)"),
        *(f"last({name}, last_at) AS {name}" for name in level.kind.counters),
    ]
    return _select(level, "bucket", columns, source)


def of_samples(kind: SampleKind, source: str) -> str:
    """Return the SELECT that gives each sample the columns of a level's row, its time as bucket."""
    columns = [
        "time AS bucket",
        *kind.key,
        "1::bigint AS samples",
        "time AS last_at",
        *_gauges(kind, "coalesce({value}, 0)", "({value} IS NOT NULL)::int::bigint", "{value}"),
        *kind.counters,
    ]
    return f"SELECT {', '.join(columns)}\nFROM {source}"


def _gauges(kind: SampleKind, total: str, count: str, highest: str) -> Iterator[str]:
    """Yield the three columns of each gauge; `name` and `value` stand for it in the expressions."""
    for gauge in kind.gauges:
        for part, expression in (("sum", total), ("count", count), ("max", highest)):
            column = expression.format(name=gauge.name, value=gauge.expression)
            yield f"{column} AS {gauge.name}_{part}"


def write(kind: SampleKind, fresh: str, levels: Sequence[SampleLevel]) -> str:
    """Return the CTEs that add the samples of relation `fresh` to `levels`, narrowest first."""
    parts, source = [], fresh
    for level in levels:
        rows = f"of_{level.of.name}"
        parts.append(f"{rows} AS (\n{aggregate(level, source)}\n)")
        parts.append(f"into_{level.of.name} AS (\n{upsert(level, rows)}\n)")
        source = rows
    return ",\n".join(parts)


def upsert(level: SampleLevel, rows: str) -> str:
    """Return the statement that adds level rows of relation `rows` to a level, in key order."""
    kind, table = level.kind, level.table
    newer = f"EXCLUDED.last_at >= {table}.last_at"
    changes = [
        f"samples = {table}.samples + EXCLUDED.samples",
        f"last_at = greatest({table}.last_at, EXCLUDED.last_at)",
    ]
    for g in kind.gauges:
        changes += [
            f"{g.name}_{part} = {table}.{g.name}_{part} + EXCLUDED.{g.name}_{part}"
            for part in ("sum", "count")
        ]
        changes.append(f"{g.name}_max = greatest({table}.{g.name}_max, EXCLUDED.{g.name}_max)")
    changes += [
        f"{name} = CASE WHEN {newer} THEN EXCLUDED.{name} ELSE {table}.{name} END"
        for name in kind.counters
    ]
    names, key = ", ".join(columns(kind)), ", ".join(level_key(kind))
    return f"""INSERT INTO {table} ({names})
SELECT {names} FROM {rows}
ORDER BY {key}
ON CONFLICT ({key}) DO UPDATE SET {", ".join(changes)}"""  # noqa: S608


def _select(level: SampleLevel, time: str, parts: Sequence[str], source: str) -> str:
    key = ", ".join(level.kind.key)
    return f"""SELECT time_bucket({interval(level.of.width)}, {time}) AS bucket, {key},
  {", ".join(parts)}
FROM {source}
GROUP BY 1, {key}"""  # noqa: S608
