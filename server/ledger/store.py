"""The only writer of the ledger. Runs inside the transaction that stores the numbered rows."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import connection

from server.ledger.merge import Numbered, Range, Told, rounds

_ENTRY = "(%s, %s, %s, %s::int8multirange, %s::int8multirange, 0, %s, %s, %s)"
#: Adding a range that is there already changes nothing, so a batch may come again. What it repeats
#: is counted by what the ranges have in common.
RECORD = """INSERT INTO ledger_epoch AS kept
  (node, epoch, first_seq, received, dropped, repeated_count, refused_count,
   first_received_at, last_received_at)
VALUES {entries}
ON CONFLICT (node, epoch) DO UPDATE SET
  first_seq = least(kept.first_seq, EXCLUDED.first_seq),
  received = kept.received + EXCLUDED.received,
  dropped = kept.dropped + EXCLUDED.dropped,
  repeated_count = kept.repeated_count + coalesce((
    SELECT sum(upper(r) - lower(r)) FROM unnest(kept.received * EXCLUDED.received) AS r), 0),
  refused_count = kept.refused_count
    + CASE WHEN kept.received @> EXCLUDED.received THEN 0 ELSE EXCLUDED.refused_count END,
  last_received_at = greatest(kept.last_received_at, EXCLUDED.last_received_at)"""


def record(batches: Sequence[Numbered]) -> None:
    """Enter batches. Safe to run twice."""
    with connection.cursor() as cursor:
        for entries in rounds(batches):
            statement = RECORD.format(entries=", ".join([_ENTRY] * len(entries)))
            cursor.execute(statement, [value for told in entries for value in _values(told)])


def _values(told: Told) -> tuple[str | int | datetime, ...]:
    return (
        told.node,
        told.epoch,
        told.first_seq,
        multirange(told.received),
        multirange(told.dropped),
        told.refused,
        told.first_received_at,
        told.last_received_at,
    )


def multirange(ranges: Iterable[Range]) -> str:
    """Return PostgreSQL's text for ranges whose upper end is left out."""
    return "{" + ",".join(f"[{lower},{upper})" for lower, upper in ranges) + "}"
