"""Compare the samples' levels with the samples, or make them anew. See rollups/rebuild.py."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from server.metrics.catalogue import KINDS, SampleKind
from server.rollups.retention import oldest_whole_day
from server.rollups.samples import maintainer as sample_maintainer
from server.rollups.samples import sql as sample_sql
from server.rollups.samples.levels import SampleLevel, all_levels, levels_of

DAY = timedelta(days=1)
#: Sums of floats depend on the order of adding, by so much of themselves at most.
TOLERANCE = 1e-9
CAN_FORCE = """SELECT coalesce(bool_or('force' = ANY(proargnames)), false) FROM pg_proc
WHERE proname = 'refresh_continuous_aggregate'"""


@dataclass(frozen=True)
class Compared:
    """One level and day: how many of its rows there should be, and how many differ."""

    level: SampleLevel
    day: datetime
    rows: int
    different: int


def verify(first: datetime, last: datetime, *, now: datetime) -> Iterator[Compared]:
    """Compare each level with the samples of the UTC days that begin at `first` … `last`.

    Days of which a level or the samples do not hold everything any more are left out.
    """
    for day in _days(first, last):
        for level in all_levels():
            if _holds(level.kind.table, day, now) and _holds(level.table, day, now):
                yield _compare(level, day)


def rebuild(first: datetime, last: datetime, *, now: datetime) -> Iterator[tuple[str, datetime]]:
    """Make the levels of the UTC days `first` … `last` anew; yield each table and day when done.

    Writers of a kind wait while its day is counted. Days of which samples are gone stay as they
    are. Must not run inside a transaction.
    """
    for day in _days(first, last):
        for kind in KINDS:
            if _holds(kind.table, day, now):
                _rebuild(kind, day)
                yield kind.table, day


def _rebuild(kind: SampleKind, day: datetime) -> None:
    span = {"start": day, "end": day + DAY}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE ONLY {kind.table} IN SHARE ROW EXCLUSIVE MODE")
        if kind in sample_maintainer.written_kinds([kind]):
            for level in levels_of(kind):
                cursor.execute(
                    f"DELETE FROM {level.table}"  # noqa: S608 (names of the declaration)
                    " WHERE bucket >= %(start)s AND bucket < %(end)s",
                    span,
                )
            rows = _samples(kind)
            cursor.execute(f"WITH {sample_sql.write(kind, rows, levels_of(kind))} SELECT", span)
            return
    with connection.cursor() as cursor:
        cursor.execute(CAN_FORCE)
        force = ", force => true" if cursor.fetchone() == (True,) else ""
        for level in levels_of(kind):
            cursor.execute(
                f"CALL refresh_continuous_aggregate(%s, %s::timestamptz, %s::timestamptz{force})",
                [level.table, *span.values()],
            )


def _compare(level: SampleLevel, day: datetime) -> Compared:
    kind = level.kind
    exact = ["samples", "last_at", *kind.counters]
    exact += [f"{g.name}_{part}" for g in kind.gauges for part in ("count", "max")]
    wanted, kept = (", ".join(f"{of}.{name}" for name in exact) for of in ("wanted", "kept"))
    near = "".join(
        f"\n  OR abs(wanted.{g.name}_sum - kept.{g.name}_sum) > {TOLERANCE}"
        f" * greatest(abs(wanted.{g.name}_sum), 1)"
        for g in kind.gauges
    )
    statement = f"""SELECT count(wanted.samples), count(*) FILTER (WHERE
  ({wanted}) IS DISTINCT FROM ({kept}){near})
FROM ({sample_sql.of_raw(level, _samples(kind))}) AS wanted
FULL JOIN (
  SELECT * FROM {level.table} WHERE bucket >= %(start)s AND bucket < %(end)s
) AS kept USING ({", ".join(sample_sql.level_key(kind))})"""  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, {"start": day, "end": day + DAY})
        rows, different = cursor.fetchone()
    return Compared(level, day, rows, different)


def _samples(kind: SampleKind) -> str:
    return f"""(SELECT * FROM {kind.table}
WHERE time >= %(start)s AND time < %(end)s) AS of_the_day"""  # noqa: S608


def _holds(table: str, day: datetime, now: datetime) -> bool:
    return day >= oldest_whole_day(table, now)


def _days(first: datetime, last: datetime) -> Iterator[datetime]:
    while first <= last:
        yield first
        first += DAY
