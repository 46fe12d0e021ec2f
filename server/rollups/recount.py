"""Compare the levels with the raw rows, or make them anew from them. A UTC day at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from server.rollups import keeping, sql
from server.rollups.declaration import KEY, LEVELS, MEASURES, Level
from server.rollups.retention import RAW_TABLE, holds, oldest_whole_day

DAY = timedelta(days=1)
RAW_ROWS = f"""(SELECT * FROM {RAW_TABLE}
WHERE occurred_at >= %(start)s AND occurred_at < %(end)s) AS of_the_day"""  # noqa: S608


class RawRowsGone(ValueError):
    """Raw rows of this day are past their retention: a recount would count too few."""


@dataclass(frozen=True)
class Compared:
    """One level and day: how many of its rows there should be, and how many differ."""

    level: Level
    day: datetime
    rows: int
    different: int


def verify(first: datetime, last: datetime, *, now: datetime) -> Iterator[Compared]:
    """Compare each level with the raw rows of the UTC days that begin at `first` … `last`.

    Levels that no longer hold a day are left out of it. Raises RawRowsGone.
    """
    for day in _days(first, last, now):
        for level in LEVELS:
            if holds(level, day, now):
                yield _compare(level, day)


def rebuild(first: datetime, last: datetime, *, now: datetime) -> Iterator[datetime]:
    """Make every level of the UTC days `first` … `last` anew; yield each day when it is done.

    Writers wait while a day is counted. Must not run inside a transaction. Raises RawRowsGone.
    """
    for day in _days(first, last, now):
        span = {"start": day, "end": day + DAY}
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(keeping.ALONE)
            levels = keeping.written_levels()
            for level in levels:
                cursor.execute(
                    f"DELETE FROM {level.table}"  # noqa: S608 (names of the declaration)
                    " WHERE bucket >= %(start)s AND bucket < %(end)s",
                    span,
                )
            cursor.execute(f"WITH {sql.write(levels, RAW_ROWS)} SELECT", span)
        for level in LEVELS[len(levels) :]:
            with connection.cursor() as cursor:
                cursor.execute(
                    "CALL refresh_continuous_aggregate(%s, %s::timestamptz, %s::timestamptz)",
                    [level.table, *span.values()],
                )
        yield day


def _compare(level: Level, day: datetime) -> Compared:
    wanted, kept = (
        ", ".join(f"{relation}.{m.column}" for m in MEASURES) for relation in ("wanted", "kept")
    )
    statement = f"""SELECT count(wanted.events), count(*) FILTER (WHERE
  ({wanted}) IS DISTINCT FROM ({kept}))
FROM ({sql.aggregate(level, RAW_ROWS)}) AS wanted
FULL JOIN (
  SELECT {sql.COLUMNS} FROM {level.table} WHERE bucket >= %(start)s AND bucket < %(end)s
) AS kept USING ({", ".join(KEY)})"""  # noqa: S608 (names of the declaration)
    with connection.cursor() as cursor:
        # One statement sees one moment: rows and counts of the same transactions.
        cursor.execute(statement, {"start": day, "end": day + DAY})
        rows, different = cursor.fetchone()
    return Compared(level, day, rows, different)


def _days(first: datetime, last: datetime, now: datetime) -> Iterator[datetime]:
    oldest = oldest_whole_day(RAW_TABLE, now)
    if first < oldest:
        raise RawRowsGone(
            f"raw events are kept whole from {oldest:%F} on: {first:%F} cannot be recounted"
        )
    while first <= last:
        yield first
        first += DAY
