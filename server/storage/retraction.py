"""SQL that takes events out of the levels again, when a report replaces what was inferred."""

from collections.abc import Sequence

from server.rollups.levels import KEY, MEASURES, Level
from server.rollups.mail import sql


def statement(levels: Sequence[Level], *, removal: str) -> str:
    """Return the statement that runs `removal`, a DELETE of events AS stored, and takes exactly
    the removed events out of `levels`; its answer is their number."""
    parts = [
        f"removed AS (\n{removal}\n"
        f"RETURNING {', '.join(f'stored.{name}' for name in sql.RAW_COLUMNS)}\n)"
    ]
    for level in levels:
        rows = f"minus_{level.name}"
        if level.narrower is None:
            parts.append(f"of_removed AS (\n{sql.aggregate(level, 'removed')}\n)")
            parts.append(f"{rows} AS ({negate('of_removed')})")
        else:
            parts.append(f"{rows} AS (\n{sql.merge(level, f'minus_{level.narrower.name}')}\n)")
        parts.append(f"out_of_{level.name} AS (\n{sql.upsert(level, rows)}\n)")
    return "WITH " + ",\n".join(parts) + "\nSELECT count(*) FROM removed"


def negate(rows: str) -> str:
    """Return the SELECT of level rows with each measure negated: all are sums, so adding these
    subtracts what was added."""
    measures = ", ".join(f"-{m.column} AS {m.column}" for m in MEASURES)
    return f"SELECT {', '.join(KEY)}, {measures} FROM {rows}"  # noqa: S608 (of the declaration)
