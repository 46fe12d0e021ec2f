"""Conversion of levels to continuous aggregates: once, when TimescaleDB becomes Community.

The rows of the writer's tables are copied into those of the aggregates, because the 1-minute
level, which TimescaleDB would make them from, is long gone for most of them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from server.metrics.catalogue import KINDS, SampleKind
from server.rollups import continuous_aggregates, maintainer
from server.rollups.levels import LEVELS, ONE_MINUTE, WIDER_LEVELS
from server.rollups.mail import sql
from server.rollups.plan import DAY, floor
from server.rollups.samples import maintainer as sample_maintainer
from server.rollups.samples import sql as sample_sql
from server.rollups.samples.levels import levels_of
from server.timescale.rows import fetch_rows

MATERIALIZED_IN = """SELECT format('%%I.%%I', materialization_hypertable_schema,
  materialization_hypertable_name)
FROM timescaledb_information.continuous_aggregates WHERE view_name = %s"""
EXTENSION = """SELECT installed_version, default_version FROM pg_available_extensions
WHERE name = 'timescaledb'"""


class RowsLost(RuntimeError):
    """An aggregate would count less than its table did. Nothing was changed."""


@dataclass(frozen=True)
class Moved:
    """One level that TimescaleDB maintains from now on, and how many older rows moved with it."""

    table: str
    rows: int


@dataclass(frozen=True)
class Family:
    """Levels that are made of each other, narrowest first, and what the first is made of."""

    tables: Sequence[str]
    columns: str
    creation: Callable[[BaseDatabaseWrapper], Iterable[str]]
    #: The time of the newest fact in the source.
    newest: str
    #: How many facts there are from a time on: in the source, and in a relation of a level.
    in_source: str
    in_level: str
    #: The levels' widths.
    widths: Sequence[timedelta]


MAIL = Family(
    [level.table for level in WIDER_LEVELS],
    sql.COLUMNS,
    maintainer.creation,
    f"SELECT max(bucket) FROM {ONE_MINUTE.table}",  # noqa: S608
    f"SELECT coalesce(sum(events), 0) FROM {ONE_MINUTE.table} WHERE bucket >= %s",  # noqa: S608
    "SELECT coalesce(sum(events), 0) FROM {relation} WHERE bucket >= %s",
    [level.width for level in WIDER_LEVELS],
)


def older_extension() -> tuple[str, str] | None:
    """Return the version in the database and the installed one, where they differ."""
    ((inside, installed),) = fetch_rows(EXTENSION)
    return None if inside == installed else (inside, installed)


def to_continuous_aggregates(at: datetime) -> list[Moved]:
    """Turn the levels that the writer keeps into continuous aggregates, in one transaction.

    Writers wait meanwhile. Returns nothing where TimescaleDB keeps them already. Raises RowsLost.
    """
    moved: list[Moved] = []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(maintainer.ALONE)
        if maintainer.written_levels() == LEVELS:
            moved += _move(MAIL, _recent_from(MAIL, at))
        for kind in KINDS:
            cursor.execute(f"LOCK TABLE ONLY {kind.table} IN SHARE ROW EXCLUSIVE MODE")
            if sample_maintainer.written_kinds([kind]):
                family = _family(kind)
                moved += _move(family, _recent_from(family, at))
    return moved


def show_history(at: datetime) -> None:
    """Refresh the aggregates for the days before `at`: then they show the rows before as well.

    Until its first refresh an aggregate is computed from the narrower level alone. Not inside a
    transaction. Safe to run twice.
    """
    for family in (MAIL, *map(_family, KINDS)):
        start = _recent_from(family, at)
        for table, width in zip(family.tables, family.widths, strict=True):
            continuous_aggregates.refresh(table, start, floor(at, width))


def _recent_from(family: Family, at: datetime) -> datetime:
    """Return from when on the aggregates are made of what they aggregate: some whole days.

    Not a day more than they are refreshed by themselves: of earlier ones the 1-minute level may be
    dropped already. But the day of the newest fact at least, as a refresh that finds nothing would
    show nothing; what dropped it would have dropped all of its day.
    """
    recent = floor(at - continuous_aggregates.REFRESH_WINDOW, DAY) + DAY
    ((newest,),) = fetch_rows(family.newest)
    return min(recent, floor(newest, DAY)) if newest else recent


def _family(kind: SampleKind) -> Family:
    return Family(
        [level.table for level in levels_of(kind)],
        ", ".join(sample_sql.columns(kind)),
        partial(sample_maintainer.creation, kinds=[kind]),
        f"SELECT max(time) FROM {kind.table}",  # noqa: S608
        f"SELECT count(*) FROM {kind.table} WHERE time >= %s",  # noqa: S608
        "SELECT coalesce(sum(samples), 0) FROM {relation} WHERE bucket >= %s",
        [level.of.width for level in levels_of(kind)],
    )


def _move(family: Family, recent: datetime) -> Iterator[Moved]:
    """Put aggregates in the place of tables, with the rows from before `recent`.

    The recent ones are made anew: were a running bucket among those that are moved, it would not
    grow any more.
    """
    with connection.cursor() as cursor:
        for table in family.tables:
            cursor.execute(f"ALTER TABLE {table} RENAME TO {_before(table)}")
        written, *_ = map(_before, family.tables)
        known = _number(family.in_level.format(relation=written), recent)
        there = _number(family.in_source, recent)
        if known != there:
            raise RowsLost(
                f"{family.tables[0]} counts {known} since {recent:%F}, its source {there}"
            )
        for statement in family.creation(connection):
            cursor.execute(statement)
        for table in family.tables:
            ((materialized_in,),) = fetch_rows(MATERIALIZED_IN, [table])
            cursor.execute(
                f"INSERT INTO {materialized_in} ({family.columns}) SELECT {family.columns}"  # noqa: S608
                f" FROM {_before(table)} WHERE bucket < %s",
                [recent],
            )
            wanted, arrived = (
                _number(f"SELECT count(*) FROM {relation} WHERE bucket < %s", recent)  # noqa: S608
                for relation in (_before(table), materialized_in)
            )
            if wanted != arrived:
                raise RowsLost(f"{table}: of {wanted} rows {arrived} arrived")
            cursor.execute(f"DROP TABLE {_before(table)}")
            yield Moved(table, arrived)


def _before(table: str) -> str:
    return f"{table}_of_the_writer"


def _number(statement: str, at: datetime) -> int:
    ((number,),) = fetch_rows(statement, [at])
    return int(number)
