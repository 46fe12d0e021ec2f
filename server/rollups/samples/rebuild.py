"""Compare the samples' levels with the samples, or make them anew. See rollups/rebuild.py."""

from collections.abc import Iterator
from datetime import datetime

from django.db import connection, transaction

from server.metrics.catalogue import KINDS, SampleKind
from server.rollups import continuous_aggregates
from server.rollups.plan import DAY
from server.rollups.rebuild import Compared, compare_day, days, replace_day
from server.rollups.retention import holds
from server.rollups.samples import maintainer as sample_maintainer
from server.rollups.samples import sql as sample_sql
from server.rollups.samples.levels import SampleLevel, all_levels, levels_of
from server.timescale.rows import fetch_rows

#: Sums of floats depend on the order of adding, by so much of themselves at most.
TOLERANCE = 1e-9
CAN_FORCE = """SELECT coalesce(bool_or('force' = ANY(proargnames)), false) FROM pg_proc
WHERE proname = 'refresh_continuous_aggregate'"""


def verify(first: datetime, last: datetime, *, now: datetime) -> Iterator[Compared]:
    """Compare each level with the samples of the UTC days that begin at `first` … `last`.

    Days of which a level or the samples do not hold everything any more are left out, and levels
    without rows: most kinds are on few nodes.
    """
    for day in days(first, last):
        for level in all_levels():
            if holds(level.kind.table, day, now) and holds(level.table, day, now):
                compared = _compare(level, day)
                if compared.rows or compared.different:
                    yield compared


def rebuild(first: datetime, last: datetime, *, now: datetime) -> Iterator[str]:
    """Make the levels of the UTC days `first` … `last` anew; yield the table of each day when done.

    Writers of a kind wait while its day is counted. Days of which samples are gone stay as they
    are. Must not run inside a transaction.
    """
    for day in days(first, last):
        for kind in KINDS:
            if holds(kind.table, day, now):
                _rebuild(kind, day)
                yield kind.table


def _rebuild(kind: SampleKind, day: datetime) -> None:
    levels = levels_of(kind)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE ONLY {kind.table} IN SHARE ROW EXCLUSIVE MODE")
        if sample_maintainer.written_kinds([kind]):
            write = sample_sql.write(kind, _samples(kind), levels)
            replace_day([level.table for level in levels], write, day)
            return
    force = ", force => true" if fetch_rows(CAN_FORCE) == [(True,)] else ""
    for level in levels:
        continuous_aggregates.refresh(level.table, day, day + DAY, more=force)


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
    differs = f"({wanted}) IS DISTINCT FROM ({kept}){near}"
    rows = sample_sql.of_raw(level, _samples(kind))
    return compare_day(level.table, day, rows, sample_sql.level_key(kind), differs)


def _samples(kind: SampleKind) -> str:
    return f"""(SELECT * FROM {kind.table}
WHERE time >= %(start)s AND time < %(end)s) AS of_the_day"""  # noqa: S608
