"""Compare the levels with the raw rows, or make them anew from them. A UTC day at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from server.rollups import maintainer
from server.rollups.levels import KEY, LEVELS, MEASURES, Level
from server.rollups.mail import sql
from server.rollups.plan import DAY, floor
from server.rollups.retention import RAW_TABLE, holds, oldest_whole_day

RAW_ROWS = f"""(SELECT * FROM {RAW_TABLE}
WHERE occurred_at >= %(start)s AND occurred_at < %(end)s) AS of_the_day"""  # noqa: S608

#: Millions of rows are grouped in seven ways at once; with PostgreSQL's 4 MB that goes to disk.
MEMORY = "SET LOCAL work_mem = '128MB'"


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
        with transaction.atomic():
            wider = count_day(day, now=now)
        refresh(wider, day)
        yield day


def count_day(day: datetime, *, now: datetime) -> tuple[Level, ...]:
    """Make the levels of a UTC day anew from its raw rows; return those still to be refreshed.

    Runs in the caller's transaction, until whose end writers wait. A level that no longer keeps
    the day is left without it.
    """
    with connection.cursor() as cursor:
        cursor.execute(maintainer.ALONE)
        written = maintainer.written_levels()
        # What TimescaleDB keeps is made from the 1-minute level, so that is needed all the same.
        into = [at for at in written if holds(at, day, now)] if written == LEVELS else written
        cursor.execute(MEMORY)
        span = {"start": day, "end": day + DAY}
        for level in into:
            cursor.execute(
                f"DELETE FROM {level.table}"  # noqa: S608 (names of the declaration)
                " WHERE bucket >= %(start)s AND bucket < %(end)s",
                span,
            )
        cursor.execute(f"WITH {sql.write(written, RAW_ROWS, into=into)} SELECT", span)
    return LEVELS[len(written) :]


def refresh(levels: Iterable[Level], day: datetime) -> None:
    """Let TimescaleDB make a UTC day anew of levels it keeps. Not inside a transaction.

    But for the bucket that is running: what is made would stay as it is now until the bucket is
    over, with the daily level for a day. A query adds it up instead.
    """
    now = timezone.now()
    for level in levels:
        end = min(day + DAY, floor(now, level.width))
        if day < end:
            with connection.cursor() as cursor:
                cursor.execute(
                    "CALL refresh_continuous_aggregate(%s, %s::timestamptz, %s::timestamptz)",
                    [level.table, day, end],
                )


def _compare(level: Level, day: datetime) -> Compared:
    wanted, kept = (
        ", ".join(sql.number(m, relation) for m in MEASURES) for relation in ("wanted", "kept")
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


def check_raw_rows(day: datetime, *, now: datetime) -> None:
    """Raise RawRowsGone unless all raw events from `day` on are stored."""
    oldest = oldest_whole_day(RAW_TABLE, now)
    if day < oldest:
        raise RawRowsGone(
            f"raw events are kept whole from {oldest:%F} on: {day:%F} cannot be recounted"
        )


def _days(first: datetime, last: datetime, now: datetime) -> Iterator[datetime]:
    check_raw_rows(first, now=now)
    while first <= last:
        yield first
        first += DAY
