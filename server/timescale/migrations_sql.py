"""SQL that migrations share. Append-only: a released migration must keep meaning the same SQL."""

from django.db.migrations import RunSQL


def hypertable(table: str, column: str, *, chunk_days: int) -> RunSQL:
    """Make `table`, still empty, a hypertable partitioned by `column` in chunks of `chunk_days`.

    Default indexes are left out: each table declares those its queries use. The reverse does
    nothing, because reversing the creation of the table drops its chunks with it; TimescaleDB has
    no way back from a hypertable to a table. Works from TimescaleDB 2.13 on, in both editions.
    """
    return RunSQL(sql=hypertable_sql(table, column, chunk_days=chunk_days), reverse_sql=RunSQL.noop)


def hypertable_sql(table: str, column: str, *, chunk_days: int) -> str:
    """Return the statement of `hypertable`, for migrations that decide when they run."""
    return (
        f"SELECT create_hypertable('{table}', by_range('{column}', interval '{chunk_days} day'),"
        " create_default_indexes => false)"
    )
