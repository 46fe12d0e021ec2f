"""Maintainer of the levels of this database: the writer, or TimescaleDB. Decided here alone."""

from itertools import pairwise

from django.db.backends.base.base import BaseDatabaseWrapper

from server.rollups import continuous_aggregates
from server.rollups.levels import LEVELS, ONE_MINUTE, WIDER_LEVELS, Level
from server.rollups.mail import sql
from server.timescale import edition
from server.timescale.migrations_sql import hypertable_sql
from server.timescale.rows import fetch_rows

#: Writers share this lock; what changes the maintainer, or recounts the levels, takes it alone.
#: On the table itself and not its chunks, of which there may be many.
SHARE = f"LOCK TABLE ONLY {ONE_MINUTE.table} IN ROW EXCLUSIVE MODE"
ALONE = f"LOCK TABLE ONLY {ONE_MINUTE.table} IN SHARE ROW EXCLUSIVE MODE"
ARE_TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname = ANY(%s)"
IS_TABLE = f"""SELECT relkind = 'r' FROM pg_class
WHERE oid = '{WIDER_LEVELS[0].table}'::regclass"""  # noqa: S608 (a name of the declaration)


def written_levels() -> tuple[Level, ...]:
    """Return the levels the writer maintains, and hold that so until the transaction ends.

    The tables decide, not the licence: a database that was made under Apache's licence keeps
    its tables until it is converted. Costs one round trip.
    """
    ((is_table,),) = fetch_rows(f"{SHARE}; {IS_TABLE}")
    return LEVELS if is_table else (ONE_MINUTE,)


def creation(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the statements that make the wider levels in this database's edition."""
    is_community = edition.is_community(connection)
    statements = []
    for narrower, level in pairwise(LEVELS):
        rows = sql.merge(level, narrower.table)
        if is_community:
            key = ("dimension", "bucket", "direction", "event_type", "value")
            statements += continuous_aggregates.creation(
                level.table, rows, key=key, width=level.width, every="1 minute"
            )
        else:
            statements += [
                sql.create_table(level),
                hypertable_sql(level.table, "bucket", chunk_days=level.chunk_days),
                # Counts of a database of the version before.
                f"INSERT INTO {level.table} ({sql.COLUMNS}) {rows}",
            ]
    return statements


def removal(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the statements that drop the wider levels, whoever maintains them."""
    return drop(connection, [level.table for level in reversed(WIDER_LEVELS)])


def drop(connection: BaseDatabaseWrapper, levels: list[str]) -> list[str]:
    """Return the statements that drop levels by name, which are tables or aggregates."""
    with connection.cursor() as cursor:
        cursor.execute(ARE_TABLES, [levels])
        tables = {name for (name,) in cursor.fetchall()}
    return [f"DROP {'TABLE' if name in tables else 'MATERIALIZED VIEW'} {name}" for name in levels]
