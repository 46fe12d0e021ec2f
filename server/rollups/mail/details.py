"""Counts of the details, of the minutes that changed, when they are over."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.db import connection, transaction

from server.rollups import maintainer
from server.rollups.levels import ONE_MINUTE, Level
from server.rollups.mail import detail_sql, replies
from server.rollups.plan import HOUR, floor
from server.rollups.retention import RAW_TABLE, holds
from server.timescale.rows import fetch_rows

#: A minute is counted when it is over and nothing has changed it for SETTLED, or when it has waited
#: for MAX_WAIT: mail that comes late is then counted more than once.
SETTLED, MAX_WAIT = timedelta(seconds=10), timedelta(seconds=90)
#: One at a time: the difference to what is stored must not be added twice.
LOCK = 0x6D616C6C617265
TRY_LOCK = f"SELECT pg_try_advisory_xact_lock({LOCK})"
TAKE_LOCK = f"SELECT pg_advisory_xact_lock({LOCK})"
FIND_DUE = f"""SELECT bucket FROM {detail_sql.DUE} GROUP BY bucket
HAVING min(marked_at) <= %(now)s - %(max_wait)s
  OR (max(marked_at) <= %(now)s - %(settled)s AND bucket <= %(now)s - %(over)s)
ORDER BY bucket LIMIT %(limit)s"""  # noqa: S608
REMOVE_MARKS = f"DELETE FROM {detail_sql.DUE} WHERE bucket = ANY(%(minutes)s)"  # noqa: S608
ALWAYS = timedelta(days=3_650)
MAX_MINUTES = 600
WITHIN = """stored.bucket >= %(start)s AND stored.bucket < %(end)s
  AND stored.bucket = ANY(%(minutes)s)"""
RAW_ROWS = f"""(SELECT * FROM {RAW_TABLE}
  WHERE occurred_at >= %(start)s AND occurred_at < %(end)s
    AND time_bucket('1 minute', occurred_at) = ANY(%(minutes)s)) AS of_minutes"""  # noqa: S608
#: What must be whole: the raw rows, and what says how much of them is counted already.
COMPARED = (RAW_TABLE, ONE_MINUTE.table)
MEMORY = "SET LOCAL work_mem = '64MB'"


def count_due(now: datetime, *, max_wait: timedelta = MAX_WAIT) -> int:
    """Count the details of minutes that changed; return how many minutes. Each hour's in one
    transaction. Raises django.db.Error."""
    values = {"now": now, "max_wait": max_wait, "settled": SETTLED, "over": ONE_MINUTE.width,
              "limit": MAX_MINUTES}  # fmt: skip
    counted = 0
    for minutes in split_hours(bucket for (bucket,) in fetch_rows(FIND_DUE, values)):
        with transaction.atomic():
            if not fetch_rows(TRY_LOCK)[0][0]:
                return counted  # another process is at it
            count_minutes(minutes, now=now)
        counted += len(minutes)
    return counted


def count_all(now: datetime) -> int:
    """Count whatever is due, without waiting for a minute to be over."""
    counted = 0
    while minutes := count_due(now, max_wait=-ALWAYS):
        counted += minutes
    return counted


def count_minutes(minutes: Sequence[datetime], *, now: datetime) -> None:
    """Bring the details of some minutes of one hour to what their raw rows give, in the caller's
    transaction. What is past retention is left as it is."""
    kept = [minute for minute in minutes if all(holds(name, minute, now) for name in COMPARED)]
    with connection.cursor() as cursor:
        cursor.execute(TAKE_LOCK)
        levels = maintainer.written_levels()
        # First: what a writer stores from now on has a mark of its own.
        cursor.execute(REMOVE_MARKS, {"minutes": list(minutes)})
        if kept:
            cursor.execute(MEMORY)
            _count_rows(cursor, detail_sql.count(levels, RAW_ROWS, within=WITHIN), kept)


def count_day(day: datetime, levels: Sequence[Level], *, into: Sequence[Level]) -> None:
    """Count all minutes of a UTC day, of which `into` count nothing, in the caller's
    transaction."""
    count = detail_sql.count(levels, RAW_ROWS, within="false", into=into)
    with connection.cursor() as cursor:
        cursor.execute(TAKE_LOCK)
        for hour in (day + n * HOUR for n in range(24)):
            _count_rows(cursor, count, [hour + n * ONE_MINUTE.width for n in range(60)])


def _count_rows(cursor: Any, count: str, minutes: Sequence[datetime]) -> None:
    end = minutes[-1] + ONE_MINUTE.width
    values: dict[str, Any] = {"minutes": list(minutes), "start": minutes[0], "end": end}
    cursor.execute(count, values)
    cursor.execute(replies.record(RAW_ROWS), values)


def split_hours(minutes: Iterable[datetime]) -> Iterator[list[datetime]]:
    """Yield the minutes, which are in order, of one hour after the other. Pure."""
    for _, of_hour in groupby(minutes, lambda minute: floor(minute, HOUR)):
        yield list(of_hour)
