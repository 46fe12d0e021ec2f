"""Shared by the sites of the tests and made once: a migrated database, and static files."""

import contextlib
import os
import secrets
from collections.abc import Iterator

import psycopg2
from psycopg2 import errors, sql

from build.package.assets import DASHBOARD, VENDOR
from build.stack.packages import if_stale
from build.stack.paths import LOGS, ROOT, RUN
from build.stack.server import Site
from tests.waiting import until

#: The variable with its name, which is the same in all processes of a run.
TEMPLATE = "MALLARD_TEST_TEMPLATE"
LOCK = 7_264_011
STATIC = RUN / "test-static"


@contextlib.contextmanager
def own_database(purpose: str) -> Iterator[str]:
    """Yield the address of a new, migrated database; drop it afterwards, whoever is connected."""
    name = f"mallard_{purpose}_{secrets.token_hex(4)}"
    template = make_template()
    with _connect() as cursor:
        _execute(cursor, "CREATE DATABASE {} TEMPLATE {}", name, template)
    try:
        yield _address_of(name)
    finally:
        with _connect() as cursor:
            _execute(cursor, "DROP DATABASE {} WITH (FORCE)", name)


def make_template() -> str:
    """Return the name of the migrated database. The first process that needs it makes it."""
    name = os.environ[TEMPLATE]
    with _connect() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", [name])
        if not cursor.rowcount:
            half_made = f"{name}_new"
            _execute(cursor, "DROP DATABASE IF EXISTS {} WITH (FORCE)", half_made)
            _execute(cursor, "CREATE DATABASE {}", half_made)
            site = Site(_address_of(half_made), os.environ["REDIS_URL"], logs=LOGS / "template")
            site.migrate()
            # Who copies it must be alone with it, and TimescaleDB's scheduler looks into each
            # database that it may connect to.
            _execute(cursor, "ALTER DATABASE {} ALLOW_CONNECTIONS false", half_made)
            until(lambda: _rename(cursor, half_made, name), within_s=60, what="the scheduler's end")
    return name


def drop_template() -> None:
    """Drop the migrated database where there is one."""
    with _connect() as cursor:
        _execute(cursor, "DROP DATABASE IF EXISTS {} WITH (FORCE)", os.environ[TEMPLATE])


def make_static(site: Site) -> None:
    """Make the files that pages load, unless an earlier site of this source has."""
    sources = [path for path in DASHBOARD.rglob("*.*") if path.suffix != ".pyc"]
    sources = [path for path in sources if not path.is_relative_to(VENDOR)]  # made by the block
    sources.append(ROOT / "requirements" / "server.txt")  # the admin's files
    with if_stale(sorted(sources), STATIC / ".stamp", STATIC) as is_stale:
        if is_stale:
            site.make_assets()


@contextlib.contextmanager
def _connect() -> Iterator[psycopg2.extensions.cursor]:
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    connection.autocommit = True  # databases are not made in transactions
    with contextlib.closing(connection), connection.cursor() as cursor:
        yield cursor


def _address_of(name: str) -> str:
    return os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}"


def _execute(cursor: psycopg2.extensions.cursor, statement: str, *names: str) -> None:
    cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _rename(cursor: psycopg2.extensions.cursor, before: str, after: str) -> bool:
    """Rename a database; return False while somebody is in it."""
    try:
        _execute(cursor, "ALTER DATABASE {} RENAME TO {}", before, after)
    except errors.ObjectInUse:
        return False
    return True
