"""The only writer of the ledger. Runs inside the transaction that stores the numbered rows."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import connection

from server.ledger.merge import LedgerEntry, NumberedBatch, Range, merge_batches

_ENTRY = "(%s, %s, %s, %s::int8multirange, %s::int8multirange, 0, %s, %s, %s)"
#: Adding a range that is there already changes nothing, so a batch may come again; its
#: repeated numbers are counted as the intersection of the ranges.
RECORD = """INSERT INTO ledger_epoch AS stored
  (node, epoch, first_seq, received, dropped, repeated_count, refused_count,
   first_received_at, last_received_at)
VALUES {entries}
ON CONFLICT (node, epoch) DO UPDATE SET
  first_seq = least(stored.first_seq, EXCLUDED.first_seq),
  received = stored.received + EXCLUDED.received,
  dropped = stored.dropped + EXCLUDED.dropped,
  repeated_count = stored.repeated_count + coalesce((
    SELECT sum(upper(r) - lower(r)) FROM unnest(stored.received * EXCLUDED.received) AS r), 0),
  refused_count = stored.refused_count
    + CASE WHEN stored.received @> EXCLUDED.received THEN 0 ELSE EXCLUDED.refused_count END,
  last_received_at = greatest(stored.last_received_at, EXCLUDED.last_received_at)"""


def record(batches: Sequence[NumberedBatch]) -> None:
    """Record batches. Safe to run twice."""
    with connection.cursor() as cursor:
        for entries in merge_batches(batches):
            statement = RECORD.format(entries=", ".join([_ENTRY] * len(entries)))
            cursor.execute(statement, [value for entry in entries for value in _values(entry)])


def _values(entry: LedgerEntry) -> tuple[str | int | datetime, ...]:
    return (
        entry.node,
        entry.epoch,
        entry.first_seq,
        multirange(entry.received),
        multirange(entry.dropped),
        entry.refused,
        entry.first_received_at,
        entry.last_received_at,
    )


def multirange(ranges: Iterable[Range]) -> str:
    """Return PostgreSQL's text for ranges whose upper end is excluded."""
    return "{" + ",".join(f"[{lower},{upper})" for lower, upper in ranges) + "}"
