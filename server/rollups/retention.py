"""How far back raw rows and levels are kept whole, in UTC days."""

from datetime import UTC, datetime, time, timedelta

from django.conf import settings

from server.rollups.levels import Level

RAW_TABLE = "email_events"


def oldest_whole_day(table: str, now: datetime) -> datetime:
    """Return the start of the first UTC day of which `table` surely holds everything."""
    cutoff = now - timedelta(days=settings.RETENTION_DAYS[table])
    return midnight(cutoff) + timedelta(days=1)


def holds(level: Level, at: datetime, now: datetime) -> bool:
    """Return whether a level still holds everything from `at` on."""
    return at >= oldest_whole_day(level.table, now)


def midnight(at: datetime) -> datetime:
    """Return the start of the UTC day of `at`."""
    return datetime.combine(at.astimezone(UTC).date(), time(), UTC)
