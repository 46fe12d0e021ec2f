"""The only writer of samples and, where TimescaleDB does not keep them, of their levels."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import msgspec
from django.db import connection, transaction

from server.metrics import mapping, wire
from server.metrics.catalogue import KINDS, SampleKind
from server.metrics.starts import find_starts
from server.nodes import store as nodes
from server.rollups.samples import maintainer as sample_maintainer
from server.rollups.samples import sql as sample_sql
from server.rollups.samples.levels import levels_of
from server.storage.transaction import LIMIT_STATEMENTS

#: One writer at a time from its first row to its commit. The first row of a new day makes a chunk,
#: which locks its table and, for a foreign key, that of the nodes: two writers that each make one,
#: of different kinds, would wait for each other.
WRITER_LOCK = 0x73616D706C6573
LOCK_WRITERS = f"SELECT pg_advisory_xact_lock({WRITER_LOCK})"


def write_samples(samples: Sequence[wire.Sample]) -> None:
    """Store samples, each once however often it comes, and the program starts they show.

    All in one transaction. Raises django.db.Error, then stores none.
    """
    ids = nodes.node_ids(sample.node_id for sample in samples)
    rows = rows_by_kind(samples, ids)
    starts = [nodes.Start(ids[name], subject, at) for name, subject, at in find_starts(samples)]
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(LIMIT_STATEMENTS)
            cursor.execute(LOCK_WRITERS)
            written = sample_maintainer.written_kinds(list(rows))
            for kind in sorted(rows, key=KINDS.index):
                cursor.execute(
                    insertion(kind, columns=tuple(rows[kind][0]), with_levels=kind in written),
                    [msgspec.json.encode(rows[kind]).decode()],
                )
        nodes.record_starts(starts)


def rows_by_kind(
    samples: Iterable[wire.Sample], ids: dict[str, int]
) -> dict[SampleKind, list[dict[str, Any]]]:
    """Return the rows of each table, nodes by id. Pure."""
    rows = defaultdict(list)
    for sample in samples:
        for kind, values in mapping.rows(sample):
            rows[kind].append(values | {"node_id": ids[sample.node_id]})
    return dict(rows)


@cache
def insertion(kind: SampleKind, *, columns: tuple[str, ...], with_levels: bool) -> str:
    """Return what inserts the rows of one JSON array, those that are new, and counts just them."""
    # Quoted: `primary` is a word of SQL's.
    names, key = ", ".join(f'"{name}"' for name in columns), ", ".join((*kind.key, "time"))
    levels = sample_sql.write(kind, "fresh", levels_of(kind)) + "\n" if with_levels else ""
    return f"""WITH fresh AS (
INSERT INTO {kind.table} ({names})
SELECT {names} FROM jsonb_populate_recordset(NULL::{kind.table}, %s::jsonb)
ORDER BY {key}
ON CONFLICT DO NOTHING
RETURNING *
){"," if levels else ""}
{levels}SELECT count(*) FROM fresh"""  # noqa: S608 (names of the declaration)
