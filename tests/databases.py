"""A database of its own on the tests' PostgreSQL, for tests whose processes commit."""

import contextlib
import os
import secrets
from collections.abc import Iterator

import psycopg2
from psycopg2 import sql


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
    connection = psycopg2.connect(url)
    connection.autocommit = True  # databases are not made in transactions
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(sql.Identifier(name)))
