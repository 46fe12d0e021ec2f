"""The only writer of the ledger. Runs inside the transaction that stores the numbered rows."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

from server.ledger.folding import RETURNING, fold
from server.ledger.merge import LedgerEntry, Range
from server.ledger.models import Epoch

_RANGES = "%s::int8multirange"
_ENTRY = f"(%s, %s, %s, {_RANGES}, {_RANGES}, {_RANGES}, 0, %s, %s, %s)"
#: Past this many ranges the refused numbers of an epoch are forgotten, and only counted.
MAX_REFUSED_RANGES = 1_000
#: The refused numbers of both, without those that were accepted before or are accepted now.
_STILL_REFUSED = """(stored.refused + EXCLUDED.refused)
  - (stored.received - stored.refused) - (EXCLUDED.received - EXCLUDED.refused)"""
#: Adding a range that is there already changes nothing, so a batch may come again; its
#: repeated numbers are counted as the intersection of the ranges.
RECORD = f"""INSERT INTO ledger_epoch AS stored
  (node, epoch, first_seq, received, dropped, refused, repeated_count, refused_count,
   first_received_at, last_received_at)
VALUES {{entries}}
ON CONFLICT (node, epoch) DO UPDATE SET
  first_seq = least(stored.first_seq, EXCLUDED.first_seq),
  received = stored.received + EXCLUDED.received,
  dropped = stored.dropped + EXCLUDED.dropped,
  repeated_count = stored.repeated_count + coalesce((
    SELECT sum(upper(r) - lower(r)) FROM unnest(stored.received * EXCLUDED.received) AS r), 0),
  (refused, refused_count) = (
    SELECT CASE WHEN ranges <= {MAX_REFUSED_RANGES} THEN numbers ELSE '{{{{}}}}' END,
      stored.refused_count
      + CASE WHEN stored.received @> EXCLUDED.received THEN 0 ELSE EXCLUDED.refused_count END
      + CASE WHEN ranges <= {MAX_REFUSED_RANGES} THEN 0 ELSE size END
    FROM (SELECT {_STILL_REFUSED}) AS of (numbers), LATERAL (
      SELECT count(*), coalesce(sum(upper(r) - lower(r)), 0)::bigint FROM unnest(numbers) AS r
    ) AS counted (ranges, size)),
  last_received_at = greatest(stored.last_received_at, EXCLUDED.last_received_at)
"""  # noqa: S608 (names and numbers of ours)


HAS_ANY = """SELECT EXISTS (
  SELECT FROM ledger_epoch AS stored
  JOIN unnest(%s::text[], %s::text[], %s::int8multirange[]) AS batch (node, epoch, numbers)
    USING (node, epoch)
  WHERE stored.received && batch.numbers)"""


def has_any(entries: Sequence[Sequence[LedgerEntry]]) -> bool:
    """Return whether a number of these entries has been recorded before."""
    each = [entry for of_round in entries for entry in of_round]
    ranges = [multirange(entry.received) for entry in each]
    values = [[entry.node for entry in each], [entry.epoch for entry in each], ranges]
    with connection.cursor() as cursor:
        cursor.execute(HAS_ANY, values)
        return bool(cursor.fetchone()[0])


def record(entries: Iterable[Sequence[LedgerEntry]]) -> None:
    """Record what `merge_batches` made of batches. Safe to run twice."""
    with connection.cursor() as cursor:
        for of_round in entries:
            statement = RECORD.format(entries=", ".join([_ENTRY] * len(of_round))) + RETURNING
            cursor.execute(statement, [value for entry in of_round for value in _values(entry)])
            fold(cursor, cursor.fetchall())


def _values(entry: LedgerEntry) -> tuple[str | int | datetime, ...]:
    return (
        entry.node,
        entry.epoch,
        entry.first_seq,
        multirange(entry.received),
        multirange(entry.dropped),
        multirange(entry.refused),
        entry.unnumbered_refusals,
        entry.first_received_at,
        entry.last_received_at,
    )


def multirange(ranges: Iterable[Range]) -> str:
    """Return PostgreSQL's text for ranges whose upper end is excluded."""
    return "{" + ",".join(f"[{lower},{upper})" for lower, upper in ranges) + "}"


def delete_old(now: datetime) -> int:
    """Delete epochs of which nothing has come for as long as events are kept."""
    oldest = now - timedelta(days=settings.EVENTS_RETENTION_DAYS)
    return Epoch.objects.filter(last_received_at__lt=oldest).delete()[0]
