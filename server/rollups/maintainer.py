"""Maintainer of the levels of this database: the writer, or TimescaleDB. Decided here alone."""

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from server.rollups.levels import LEVELS, ONE_MINUTE, WIDER_LEVELS, Level
from server.rollups.mail import sql
from server.timescale import edition
from server.timescale.migrations_sql import hypertable_sql

#: Writers share this lock; what changes the maintainer, or recounts the levels, takes it alone.
#: On the table itself and not its chunks, of which there may be many.
SHARE = f"LOCK TABLE ONLY {ONE_MINUTE.table} IN ROW EXCLUSIVE MODE"
ALONE = f"LOCK TABLE ONLY {ONE_MINUTE.table} IN SHARE ROW EXCLUSIVE MODE"
IS_TABLE = f"""SELECT relkind = 'r' FROM pg_class
WHERE oid = '{WIDER_LEVELS[0].table}'::regclass"""  # noqa: S608 (a name of the declaration)


def written_levels() -> tuple[Level, ...]:
    """Return the levels the writer maintains, and hold that so until the transaction ends.

    The tables decide, not the licence: a database that was made under Apache's licence keeps
    its tables until it is converted. Costs one round trip.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"{SHARE}; {IS_TABLE}")
        (is_table,) = cursor.fetchone()
    return LEVELS if is_table else (ONE_MINUTE,)


def creation(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the statements that make the wider levels in this database's edition."""
    if edition.is_community(connection):
        return [s for level in WIDER_LEVELS for s in sql.create_continuous_aggregate(level)]
    statements = []
    for level in WIDER_LEVELS:
        if level.narrower is None:
            continue
        statements += [
            sql.create_table(level),
            hypertable_sql(level.table, "bucket", chunk_days=level.chunk_days),
            # Counts of a database of the version before.
            f"INSERT INTO {level.table} ({sql.COLUMNS}) {sql.merge(level, level.narrower.table)}",
        ]
    return statements


def removal(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the statements that drop the wider levels, whoever maintains them."""
    with connection.cursor() as cursor:
        cursor.execute(IS_TABLE)
        kind = "TABLE" if cursor.fetchone()[0] else "MATERIALIZED VIEW"
    return [f"DROP {kind} {level.table}" for level in reversed(WIDER_LEVELS)]
