"""Readiness: the database, TimescaleDB in it, and whether its tables are of this version."""

from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from server.observability.health import TIMEOUT_S, Finding
from server.timescale import edition

VERSION = """SELECT current_setting('server_version'),
  (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb')"""


def database() -> Finding:
    """Ask the database who it is."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{TIMEOUT_S:.0f}s'")
            cursor.execute(VERSION)
            postgresql, timescaledb = cursor.fetchone()
    except DatabaseError as error:
        connection.close()  # the next request must not find what is left of this one
        text = f"The database cannot be asked: {error}".strip()
        return Finding("database", ok=False, text=text)
    if timescaledb is None:
        text = "TimescaleDB is not switched on in the database: run manage.py migrate."
        return Finding("database", ok=False, text=text)
    name = "Community" if edition.is_community(connection) else "Apache"
    text = f"PostgreSQL {postgresql}, TimescaleDB {timescaledb}, {name} edition."
    return Finding("database", ok=True, text=text)


def migrations() -> Finding:
    """Compare the database with the migrations of this version."""
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        connection.close()
        text = "Not known, as the database cannot be asked."
        return Finding("migrations", ok=False, text=text)
    if missing:
        text = (
            f"{len(missing)} migrations are not applied, first {missing[0][0]}: manage.py migrate."
        )
        return Finding("migrations", ok=False, text=text, figures={"missing": len(missing)})
    return Finding("migrations", ok=True, text="All are applied.")
