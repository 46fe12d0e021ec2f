"""Maintainer of the levels of samples: the writer, or TimescaleDB (see ../maintainer.py)."""

from collections.abc import Sequence

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from server.metrics import catalogue
from server.metrics.catalogue import SampleKind
from server.rollups.samples import sql as sample_sql
from server.rollups.samples.levels import SampleLevel, levels_of
from server.timescale import edition
from server.timescale.migrations_sql import hypertable_sql

ARE_TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname = ANY(%s)"


def written_kinds(kinds: Sequence[SampleKind]) -> set[SampleKind]:
    """Return those of `kinds` whose levels the writer maintains. Costs one round trip.

    The tables decide, not the licence: what was made under Apache's licence stays until it is
    converted. Whoever converts a kind takes its table of samples alone first, as recounting does.
    """
    narrowest = {levels_of(kind)[0].table: kind for kind in kinds}
    with connection.cursor() as cursor:
        cursor.execute(ARE_TABLES, [list(narrowest)])
        return {narrowest[name] for (name,) in cursor.fetchall()}


def creation(
    connection: BaseDatabaseWrapper, kinds: Sequence[SampleKind] = catalogue.KINDS
) -> list[str]:
    """Return the statements that make the levels of `kinds` in this database's edition."""
    levels = [level for kind in kinds for level in levels_of(kind)]
    if edition.is_community(connection):
        return [s for level in levels for s in sample_sql.create_continuous_aggregate(level)]
    return [statement for level in levels for statement in _table(level)]


def removal(
    connection: BaseDatabaseWrapper, kinds: Sequence[SampleKind] = catalogue.KINDS
) -> list[str]:
    """Return the statements that drop the levels of `kinds`, whoever maintains them."""
    names = [level.table for kind in kinds for level in reversed(levels_of(kind))]
    with connection.cursor() as cursor:
        cursor.execute(ARE_TABLES, [names])
        tables = {name for (name,) in cursor.fetchall()}
    return [f"DROP {'TABLE' if name in tables else 'MATERIALIZED VIEW'} {name}" for name in names]


def _table(level: SampleLevel) -> list[str]:
    names = ", ".join(sample_sql.columns(level.kind))
    return [
        sample_sql.create_table(level),
        hypertable_sql(level.table, "bucket", chunk_days=level.of.chunk_days),
        # Samples of a database of the version before.
        f"INSERT INTO {level.table} ({names}) SELECT {names}"  # noqa: S608
        f" FROM ({sample_sql.aggregate(level)}) AS of_samples",
    ]
