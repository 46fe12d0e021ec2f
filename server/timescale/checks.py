"""System checks for TimescaleDB. Run by `manage.py check --database default`."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Info, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import Error as DatabaseError
from django.db import connections

from server.timescale import edition

EXTENSION_SQL = """SELECT installed_version FROM pg_available_extensions
WHERE name = 'timescaledb'"""


@register(Tags.database)
def timescaledb_is_installed(
    app_configs: object, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Return an error for a database without TimescaleDB, or one that cannot be reached."""
    return [message for alias in databases or () for message in _check(alias)]


def _check(alias: str) -> list[CheckMessage]:
    try:
        with connections[alias].cursor() as cursor:
            cursor.execute(EXTENSION_SQL)
            row = cursor.fetchone()
    except DatabaseError as error:
        hint = "Look at DATABASE_URL, and whether PostgreSQL runs."
        message = f"Database {alias!r} cannot be reached: {error}"
        return [Error(message, hint=hint, id="timescale.E002")]
    if row is None:
        hint = "Install TimescaleDB for this version of PostgreSQL, then restart PostgreSQL."
        message = f"The server of {alias!r} has no TimescaleDB."
        return [Error(message, hint=hint, id="timescale.E001")]
    if row[0] is None:
        # A warning, because `migrate` checks first and then makes the extension itself.
        hint = "Run manage.py migrate."
        message = f"TimescaleDB is not yet switched on in database {alias!r}."
        return [CheckWarning(message, hint=hint, id="timescale.W001")]
    name = edition.name(connections[alias])
    message = f"Database {alias!r}: TimescaleDB {row[0]}, {name} edition."
    return [Info(message, id="timescale.I001")]
