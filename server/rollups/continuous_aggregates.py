"""Continuous aggregates of TimescaleDB's Community licence: the levels that it keeps itself."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection

#: How late a fact may be to reach the continuous aggregates by itself: as long as an outage that
#: spools are to survive, and shorter than the 1-minute level is kept. If it were longer, a refresh
#: would replace the counts of days whose minutes are dropped by what little is left of them.
REFRESH_WINDOW = timedelta(days=7)


def interval(length: timedelta) -> str:
    """Return a length of time as SQL."""
    return f"interval '{length.total_seconds():.0f} seconds'"


def creation(
    table: str, select: str, *, key: Sequence[str], width: timedelta, every: str
) -> list[str]:
    """Return the statements that let TimescaleDB keep a level, refreshed `every` so often.

    Without data, so that a migration may do it in its transaction. Real-time, which since 2.13 must
    be set: queries add up what is not yet refreshed.
    """
    return [
        f"""CREATE MATERIALIZED VIEW {table} WITH (
  timescaledb.continuous, timescaledb.materialized_only = false,
  timescaledb.create_group_indexes = false
) AS
{select}
WITH NO DATA""",
        f"CREATE INDEX ON {table} ({', '.join(key)})",
        f"SELECT add_continuous_aggregate_policy('{table}',"
        f" start_offset => {interval(REFRESH_WINDOW)}, end_offset => {interval(width)},"
        f" schedule_interval => interval '{every}')",
    ]


def refresh(table: str, start: datetime, end: datetime, *, more: str = "") -> None:
    """Let TimescaleDB make the buckets in [start, end) anew. Not inside a transaction.

    `more`: further arguments, as SQL.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"CALL refresh_continuous_aggregate(%s, %s::timestamptz, %s::timestamptz{more})",
            [table, start, end],
        )
