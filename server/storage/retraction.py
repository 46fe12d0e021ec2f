"""Takes stored events out of the levels again, when a report replaces what was inferred."""

from collections.abc import Sequence

from server.rollups.levels import KEY, MEASURES, Level
from server.rollups.mail import sql
from server.storage import events_writer as events


def statement(levels: Sequence[Level]) -> str:
    """Return what deletes the replaced events and takes exactly them out of `levels`; it answers
    how many they were. All measures are sums, so what was added is subtracted."""
    parts = [
        f"removed AS (\n{events.REMOVE_REPLACED}\n"
        f"RETURNING {', '.join(f'stored.{name}' for name in sql.RAW_COLUMNS)}\n)"
    ]
    for level in levels:
        rows = f"minus_{level.name}"
        if level.narrower is None:
            negated = ", ".join(f"-{m.column} AS {m.column}" for m in MEASURES)
            parts.append(f"of_removed AS (\n{sql.aggregate(level, 'removed')}\n)")
            parts.append(f"{rows} AS (SELECT {', '.join(KEY)}, {negated} FROM of_removed)")  # noqa: S608
        else:
            parts.append(f"{rows} AS (\n{sql.merge(level, f'minus_{level.narrower.name}')}\n)")
        parts.append(f"out_of_{level.name} AS (\n{sql.upsert(level, rows)}\n)")
    return "WITH " + ",\n".join(parts) + "\nSELECT count(*) FROM removed"
