"""Maintainer of the levels of samples: the writer, or TimescaleDB (see ../maintainer.py)."""

from collections.abc import Sequence

from django.db.backends.base.base import BaseDatabaseWrapper

from server.metrics import catalogue
from server.metrics.catalogue import SampleKind
from server.rollups import continuous_aggregates
from server.rollups.maintainer import ARE_TABLES, drop
from server.rollups.samples import sql as sample_sql
from server.rollups.samples.levels import SampleLevel, levels_of
from server.timescale import edition
from server.timescale.migrations_sql import hypertable_sql
from server.timescale.rows import fetch_rows


def written_kinds(kinds: Sequence[SampleKind]) -> set[SampleKind]:
    """Return those of `kinds` whose levels the writer maintains. Costs one round trip.

    The tables decide, not the licence: what was made under Apache's licence stays until it is
    converted. Whoever converts a kind takes its table of samples alone first, as recounting does.
    """
    narrowest = {levels_of(kind)[0].table: kind for kind in kinds}
    return {narrowest[name] for (name,) in fetch_rows(ARE_TABLES, [list(narrowest)])}


def creation(
    connection: BaseDatabaseWrapper, kinds: Sequence[SampleKind] = catalogue.KINDS
) -> list[str]:
    """Return the statements that make the levels of `kinds` in this database's edition."""
    create = _aggregate if edition.is_community(connection) else _table
    return [s for kind in kinds for level in levels_of(kind) for s in create(level)]


def removal(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the statements that drop the levels of all kinds, whoever maintains them."""
    levels = [level for kind in catalogue.KINDS for level in reversed(levels_of(kind))]
    return drop(connection, [level.table for level in levels])


def _aggregate(level: SampleLevel) -> list[str]:
    return continuous_aggregates.creation(
        level.table,
        sample_sql.aggregate(level),
        key=sample_sql.level_key(level.kind),
        width=level.of.width,
        every="5 minutes",
    )


def _table(level: SampleLevel) -> list[str]:
    names = ", ".join(sample_sql.columns(level.kind))
    return [
        sample_sql.create_table(level),
        hypertable_sql(level.table, "bucket", chunk_days=level.of.chunk_days),
        # Samples of a database of the version before.
        f"INSERT INTO {level.table} ({names}) SELECT {names}"  # noqa: S608
        f" FROM ({sample_sql.aggregate(level)}) AS of_samples",
    ]
