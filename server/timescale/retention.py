"""Drop what is older than the settings allow: by policy under Community, by ourselves otherwise."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from server.timescale import edition

logger = logging.getLogger(__name__)

#: Rows of one segment are stored together: the columns that most queries of old rows filter by.
COMPRESSION = """ALTER TABLE {table} SET (timescaledb.compress,
  timescaledb.compress_segmentby = %s, timescaledb.compress_orderby = %s)"""
IS_COMPRESSED = """SELECT compression_enabled FROM timescaledb_information.hypertables
WHERE hypertable_name = %s"""
#: A policy with the right interval stays: adding it anew would forget when it last ran.
HAS_POLICY = """SELECT EXISTS (
  SELECT FROM timescaledb_information.jobs AS j
  LEFT JOIN timescaledb_information.continuous_aggregates AS c
    ON c.materialization_hypertable_name = j.hypertable_name
  WHERE j.proc_name = %(proc)s AND coalesce(c.view_name, j.hypertable_name) = %(table)s
    AND (j.config->>%(key)s)::interval = %(after)s::interval)"""
#: Columns to segment by, columns to order by, age in hours.
Compression = tuple[str, str, int]


#: Name → what deletes the old rows of a plain table and returns how many. Apps register theirs.
_deletions: dict[str, Callable[[datetime], int]] = {}


def register(name: str, delete_old: Callable[[datetime], int]) -> None:
    """Add the deletion of old rows, called `name` in the log, to each run of housekeeping. It may
    first write what is kept in their place."""
    _deletions[name] = delete_old


def delete_old_rows(now: datetime) -> dict[str, int]:
    """Delete what is old in plain tables; return how many rows, by name. One failure is the end of
    none of the others."""
    counts = {}
    for name, delete_old in _deletions.items():
        try:
            counts[name] = delete_old(now)
        except DatabaseError:
            logger.exception("Old %s could not be deleted, trying again in the next run", name)
    return counts


def apply(now: datetime) -> list[str]:
    """Bring the database in line with the settings; return the names of the chunks dropped here.

    Under the Community licence this only sets policies, which TimescaleDB's own jobs carry out.
    Safe to run twice, and at any time.
    """
    days: Mapping[str, int] = settings.RETENTION_DAYS
    if edition.is_community(connection):
        with transaction.atomic():
            set_policies(days, settings.COMPRESSION)
        return []
    return drop_old_chunks(days, now)


def drop_old_chunks(days: Mapping[str, int], now: datetime) -> list[str]:
    """Drop each chunk that is wholly past the retention of its table; return their names."""
    dropped = []
    for table, max_days in days.items():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT drop_chunks(%s::regclass, older_than => %s::timestamptz)",
                [table, now - timedelta(days=max_days)],
            )
            dropped += [name for (name,) in cursor.fetchall()]
    return dropped


def set_policies(days: Mapping[str, int], compression: Mapping[str, Compression]) -> None:
    """Set the policies of retention and of compression where they differ (Community only)."""
    for table, max_days in days.items():
        _set("retention", table, "drop_after", timedelta(days=max_days))
    for table, (segment_by, order_by, after_hours) in compression.items():
        with connection.cursor() as cursor:
            cursor.execute(IS_COMPRESSED, [table])
            if cursor.fetchone() == (False,):
                cursor.execute(COMPRESSION.format(table=table), [segment_by, order_by])
        _set("compression", table, "compress_after", timedelta(hours=after_hours))


def _set(kind: str, table: str, key: str, length: timedelta) -> None:
    after = f"{length.days} days {length.seconds} seconds"
    with connection.cursor() as cursor:
        cursor.execute(
            HAS_POLICY,
            {"proc": f"policy_{kind}", "table": table, "key": key, "after": after},
        )
        if cursor.fetchone()[0]:
            return
        cursor.execute(f"SELECT remove_{kind}_policy(%s, if_exists => true)", [table])
        cursor.execute(
            f"SELECT add_{kind}_policy(%s, {key} => %s::interval)",
            [table, after],
        )
