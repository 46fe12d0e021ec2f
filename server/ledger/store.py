"""The only writer of the ledger. Runs inside the transaction that stores the numbered rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

#: Adding a range that is there already changes nothing, so a batch may come again. What it repeats
#: is counted by what the ranges have in common. In key order: workers never wait in a circle.
RECORD = """INSERT INTO ledger_epoch AS kept
  (node, epoch, first_seq, received, dropped, repeated_count, refused_count,
   first_received_at, last_received_at)
VALUES (%(node)s, %(epoch)s, %(first_seq)s, %(received)s::int8multirange,
  %(dropped)s::int8multirange, 0, %(refused)s, %(at)s, %(at)s)
ON CONFLICT (node, epoch) DO UPDATE SET
  first_seq = least(kept.first_seq, EXCLUDED.first_seq),
  received = kept.received + EXCLUDED.received,
  dropped = kept.dropped + EXCLUDED.dropped,
  repeated_count = kept.repeated_count + coalesce((
    SELECT sum(upper(r) - lower(r)) FROM unnest(kept.received * EXCLUDED.received) AS r), 0),
  refused_count = kept.refused_count
    + CASE WHEN kept.received @> EXCLUDED.received THEN 0 ELSE EXCLUDED.refused_count END,
  last_received_at = greatest(kept.last_received_at, EXCLUDED.last_received_at)"""


@dataclass(frozen=True, kw_only=True)
class Numbered:
    """One numbered batch: numbers first_seq … first_seq + count - 1, refused ones included.

    `dropped`: (first, last) ranges, both ends included, that the agent says it dropped.
    """

    node: str
    epoch: str
    first_seq: int
    count: int
    refused: int
    received_at: datetime
    dropped: tuple[tuple[int, int], ...] = ()


def record(batches: Sequence[Numbered]) -> None:
    """Enter batches. Safe to run twice."""
    with connection.cursor() as cursor:
        for batch in sorted(batches, key=lambda each: (each.node, each.epoch, each.first_seq)):
            end = batch.first_seq + batch.count
            received = [(batch.first_seq, end)] if batch.count else []
            dropped = [(first, last + 1) for first, last in batch.dropped]
            cursor.execute(
                RECORD,
                {
                    "node": batch.node,
                    "epoch": batch.epoch,
                    "first_seq": min([batch.first_seq, *(first for first, _ in dropped)]),
                    "received": multirange(received),
                    "dropped": multirange(dropped),
                    "refused": batch.refused,
                    "at": batch.received_at,
                },
            )


def multirange(ranges: Iterable[tuple[int, int]]) -> str:
    """Return PostgreSQL's text for ranges whose upper end is left out."""
    return "{" + ",".join(f"[{lower},{upper})" for lower, upper in ranges) + "}"
