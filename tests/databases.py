"""Databases of the tests: one of its own for processes that commit, hypertables emptied."""

import contextlib
import os
import secrets
from collections.abc import Iterator

import psycopg2
from django.db import connection
from psycopg2 import sql

from server.rollups.levels import LEVELS
from server.rollups.samples import levels as sample_levels
from server.timescale import edition


@contextlib.contextmanager
def own_database(purpose: str) -> Iterator[str]:
    """Yield the address of a new, empty database; drop it afterwards, whoever is connected."""
    base = os.environ["DATABASE_URL"]
    name = f"mallard_{purpose}_{secrets.token_hex(4)}"
    _execute(base, "CREATE DATABASE {}", name)
    try:
        yield base.rpartition("/")[0] + f"/{name}"
    finally:
        _execute(base, "DROP DATABASE {} WITH (FORCE)", name)


def _execute(url: str, statement: str, name: str) -> None:
    admin = psycopg2.connect(url)
    admin.autocommit = True  # databases are not made in transactions
    with contextlib.closing(admin), admin.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(sql.Identifier(name)))


def hold_policies() -> None:
    """Let no policy of TimescaleDB run: what a test sees must not hang on when one last did, and
    for their clock, which no test can stop, the times of most tests are long ago and to be dropped.
    """
    if edition.is_community(connection):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs"
                " WHERE hypertable_name IS NOT NULL AND scheduled"
            )


def empty_hypertables() -> None:
    """Remove all rows that Django does not know of."""
    tables = ["email_events", *(level.table for level in LEVELS)]
    tables += [level.table for level in sample_levels.all_levels()]
    with connection.cursor() as cursor:
        cursor.execute(
            f"TRUNCATE {', '.join(tables)}, event_id_collisions, email_stats_due, replies"
        )
