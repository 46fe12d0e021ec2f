"""Assigned classes of replies, applied to stored events and their levels. A UTC day at a time."""

from collections.abc import Iterator
from datetime import datetime

from django.db import connection, transaction

from server.rollups import maintainer, rebuild
from server.rollups.plan import DAY
from server.rollups.retention import RAW_TABLE

CHANGE = f"""UPDATE {RAW_TABLE} AS stored SET bounce_class = assigned.bounce_class
FROM reply_classes AS assigned
WHERE stored.reply_fingerprint = assigned.fingerprint
  AND stored.bounce_class IS DISTINCT FROM assigned.bounce_class
  AND stored.occurred_at >= %(start)s AND stored.occurred_at < %(end)s"""  # noqa: S608


def reclassify(first: datetime, last: datetime, *, now: datetime) -> Iterator[tuple[datetime, int]]:
    """Give the events of the UTC days `first` … `last` the classes that people assigned; yield each
    day with how many changed. Its levels are made anew if any did.

    Writers wait while a day is changed. Must not run inside a transaction. May run twice. Raises
    RawRowsGone.
    """
    rebuild.check_raw_rows(first, now=now)
    for day in rebuild.days(first, last):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(maintainer.ALONE)
            cursor.execute(CHANGE, {"start": day, "end": day + DAY})
            changed = cursor.rowcount
        if changed:
            for _ in rebuild.rebuild(day, day, now=now):
                pass
        yield day, changed
