"""Hourly snapshots of the ledger, which separate a range of time from an epoch's whole life."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from server.ledger.models import Snapshot

#: As long as this there is a snapshot of each hour, afterwards the last of each day.
KEPT_HOURLY = timedelta(days=8)
# Where nothing came since the last one, that one still holds. What was received is stored later:
# an hour is more than that takes.
_TAKE = """INSERT INTO ledger_snapshot (node, epoch, at, last_seq, repeated_count, refused_count,
  folded_missing_count, folded_dropped_count)
SELECT node, epoch, %(now)s, greatest(
    coalesce(upper(received), 0), coalesce(upper(dropped), 0), first_seq) - 1,
  repeated_count, refused_count, folded_missing_count, folded_dropped_count
FROM ledger_epoch AS of
WHERE last_received_at > coalesce(
  (SELECT max(at) FROM ledger_snapshot AS last WHERE last.node = of.node AND last.epoch = of.epoch)
  - interval '1 hour', '-infinity')
ON CONFLICT (node, epoch, at) DO NOTHING"""
_THIN = """DELETE FROM ledger_snapshot AS old
WHERE at < %(hourly_after)s AND EXISTS (
  SELECT FROM ledger_snapshot AS later
  WHERE later.node = old.node AND later.epoch = old.epoch AND later.at > old.at
    AND later.at < date_trunc('day', old.at, 'UTC') + interval '1 day')"""


def renew(now: datetime) -> int:
    """Take a snapshot of each epoch that grew; return how many old ones were deleted for it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TAKE, {"now": now})
        cursor.execute(_THIN, {"hourly_after": now - KEPT_HOURLY})
        thinned = int(cursor.rowcount)
        oldest = now - timedelta(days=settings.EVENTS_RETENTION_DAYS)
        return thinned + Snapshot.objects.filter(at__lt=oldest).delete()[0]
