"""Compare the levels with the raw rows, or make them anew from them. A UTC day at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from server.rollups import continuous_aggregates, maintainer
from server.rollups.levels import GROUP, KEY, LEVELS, MEASURES, OTHER, Level
from server.rollups.mail import detail_sql, details, sql
from server.rollups.plan import DAY, floor
from server.rollups.retention import RAW_TABLE, holds, oldest_whole_day
from server.timescale.rows import fetch_rows

RAW_ROWS = f"""(SELECT * FROM {RAW_TABLE}
WHERE occurred_at >= %(start)s AND occurred_at < %(end)s) AS of_the_day"""  # noqa: S608

OF_THE_DAY = "bucket >= %(start)s AND bucket < %(end)s"
IN_THE_DAY = "stored.bucket >= %(start)s AND stored.bucket < %(end)s"
#: Millions of rows are grouped in seven ways at once; with PostgreSQL's 4 MB that goes to disk.
MEMORY = "SET LOCAL work_mem = '128MB'"


class RawRowsGone(ValueError):
    """Raw rows of this day are past their retention: a recount would count too few."""


@dataclass(frozen=True)
class Compared:
    """One level and day: how many of its rows there should be, and how many differ."""

    table: str
    day: datetime
    rows: int
    different: int


def verify(first: datetime, last: datetime, *, now: datetime) -> Iterator[Compared]:
    """Compare each level with the raw rows of the UTC days that begin at `first` … `last`.

    Levels that no longer hold a day are left out of it. Raises RawRowsGone.
    """
    details.count_all(now)
    for day in _days(first, last, now):
        for level in LEVELS:
            if holds(level.table, day, now):
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
        into = [at for at in written if holds(at.table, day, now)] if written == LEVELS else written
        cursor.execute(MEMORY)
        write = sql.write(written, RAW_ROWS, within=IN_THE_DAY, into=into)
        replace_day([level.table for level in into], write, day)
    details.count_day(day, written, into=into)
    return LEVELS[len(written) :]


def replace_day(tables: Iterable[str], write: str, day: datetime) -> None:
    """Delete a UTC day from levels, and write it anew by the CTEs `write`."""
    span = {"start": day, "end": day + DAY}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"DELETE FROM {table} WHERE {OF_THE_DAY}", span)  # noqa: S608
        cursor.execute(f"WITH {write} SELECT", span)


def refresh(levels: Iterable[Level], day: datetime) -> None:
    """Let TimescaleDB make a UTC day anew of levels it keeps. Not inside a transaction.

    But for the bucket that is running: what is made would stay as it is now until the bucket is
    over, with the daily level for a day. A query adds it up instead.
    """
    now = timezone.now()
    for level in levels:
        end = min(day + DAY, floor(now, level.width))
        if day < end:
            continuous_aggregates.refresh(level.table, day, end)


def _compare(level: Level, day: datetime) -> Compared:
    wanted, kept = (
        ", ".join(sql.number(m, relation) for m in MEASURES) for relation in ("wanted", "kept")
    )
    differs = f"({wanted}) IS DISTINCT FROM ({kept})"
    wanted_rows = (
        f"{sql.aggregate(level, RAW_ROWS)} UNION ALL {detail_sql.aggregate(level, RAW_ROWS)}"
    )
    # What was taken out again leaves zeros behind, which count nothing.
    rows = [wanted_rows, f"{_of_the_day(level.table)} AND events <> 0"]
    others = f"({_of_the_day(level.table)}) AS of_level WHERE value = '{OTHER}'"
    has_others = f"SELECT EXISTS (SELECT FROM {others})"  # noqa: S608
    if fetch_rows(has_others, {"start": day, "end": day + DAY})[0][0]:
        rows = [_without_names(level, each, others) for each in rows]
    return compare_day(level.table, day, rows[0], KEY, differs, kept=rows[1])


def _of_the_day(table: str) -> str:
    return f"SELECT * FROM {table} WHERE {OF_THE_DAY}"  # noqa: S608 (a name of the declaration)


def _without_names(level: Level, rows: str, others: str) -> str:
    """Return the SELECT of level rows with the values of crowded buckets added up.

    Which of them a minute names depends on what came first: the sum alone is known for sure.
    """
    measures, group = ", ".join(m.column for m in MEASURES), ", ".join(GROUP)
    unnamed = f"""SELECT {group}, CASE WHEN ({group}) IN (SELECT {group} FROM {others})
  THEN '{OTHER}' ELSE value END AS value, {measures}
FROM ({rows}) AS named"""  # noqa: S608
    return sql.merge(level, f"({unnamed}) AS unnamed")


def compare_day(
    table: str,
    day: datetime,
    wanted: str,
    key: Iterable[str],
    differs: str,
    *,
    kept: str | None = None,
) -> Compared:
    """Compare the rows of a level, as `kept`, with those that the SELECT `wanted` makes anew.

    `kept`: the SELECT of the level's rows; None: as they are.
    """
    statement = f"""SELECT count(wanted.bucket), count(*) FILTER (WHERE
  {differs})
FROM ({wanted}) AS wanted
FULL JOIN (
  {kept or _of_the_day(table)}
) AS kept USING ({", ".join(key)})"""  # noqa: S608 (names of the declaration)
    # One statement sees one moment: rows and counts of the same transactions.
    ((rows, different),) = fetch_rows(statement, {"start": day, "end": day + DAY})
    return Compared(table, day, rows, different)


def check_raw_rows(day: datetime, *, now: datetime) -> None:
    """Raise RawRowsGone unless all raw events from `day` on are stored."""
    oldest = oldest_whole_day(RAW_TABLE, now)
    if day < oldest:
        raise RawRowsGone(
            f"raw events are kept whole from {oldest:%F} on: {day:%F} cannot be recounted"
        )


def _days(first: datetime, last: datetime, now: datetime) -> Iterator[datetime]:
    check_raw_rows(first, now=now)
    yield from days(first, last)


def days(first: datetime, last: datetime) -> Iterator[datetime]:
    while first <= last:
        yield first
        first += DAY
