"""Probes: the database, TimescaleDB in it, and its migrations."""

from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from server.observability.health import TIMEOUT_S, ProbeResult
from server.timescale import edition

VERSION = """SELECT current_setting('server_version'),
  (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb')"""


def database() -> ProbeResult:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{TIMEOUT_S:.0f}s'")
            cursor.execute(VERSION)
            postgresql, timescaledb = cursor.fetchone()
    except DatabaseError as error:
        connection.close()  # the next request must not reuse it
        text = f"The database cannot be reached: {error}".strip()
        return ProbeResult("database", ok=False, text=text)
    if timescaledb is None:
        text = "TimescaleDB is not switched on in the database: run manage.py migrate."
        return ProbeResult("database", ok=False, text=text)
    licence = edition.name(connection)
    text = f"PostgreSQL {postgresql}, TimescaleDB {timescaledb}, {licence} edition."
    return ProbeResult("database", ok=True, text=text)


def migrations() -> ProbeResult:
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        connection.close()
        text = "Not known, as the database cannot be reached."
        return ProbeResult("migrations", ok=False, text=text)
    if missing:
        text = (
            f"{len(missing)} migrations are not applied, first {missing[0][0]}: manage.py migrate."
        )
        return ProbeResult("migrations", ok=False, text=text, figures={"missing": len(missing)})
    return ProbeResult("migrations", ok=True, text="All are applied.")
