"""Retention: how far back raw rows and levels are kept whole, in UTC days."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings

from server.metrics.catalogue import SampleKind
from server.rollups.levels import LEVELS, Level
from server.rollups.plan import DAY, SAMPLES, floor
from server.rollups.samples.levels import levels_of

RAW_TABLE = "email_events"


def oldest_whole_day(table: str, now: datetime) -> datetime:
    """Return the start of the first UTC day of which `table` surely holds everything."""
    cutoff = now - timedelta(days=settings.RETENTION_DAYS[table])
    return floor(cutoff, DAY) + DAY


def oldest_counts(now: datetime) -> Mapping[Level, datetime]:
    """Return from when on each level of mail surely holds everything."""
    return {level: oldest_whole_day(level.table, now) for level in LEVELS}


def oldest_samples(kind: SampleKind, now: datetime) -> Mapping[Level, datetime]:
    """Return from when on the samples of a kind, and each of their levels, are surely whole."""
    levels = {level.of: oldest_whole_day(level.table, now) for level in levels_of(kind)}
    return {SAMPLES: oldest_whole_day(kind.table, now), **levels}


def holds(table: str, at: datetime, now: datetime) -> bool:
    """Return whether `table` still holds everything from `at` on."""
    return at >= oldest_whole_day(table, now)
