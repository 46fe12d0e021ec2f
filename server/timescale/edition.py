"""TimescaleDB's licence: Community has policies, compression and continuous aggregates."""

from django.db.backends.base.base import BaseDatabaseWrapper

LICENCE_SQL = "SELECT current_setting('timescaledb.license', true)"


def is_community(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the Community licence is in force. Debian's packages are Apache only."""
    with connection.cursor() as cursor:
        cursor.execute(LICENCE_SQL)
        (licence,) = cursor.fetchone()
    return bool(licence == "timescale")


def name(connection: BaseDatabaseWrapper) -> str:
    return "Community" if is_community(connection) else "Apache"
