"""Assigned classes of replies, applied to stored events and their levels. A UTC day at a time."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from time import monotonic

from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone

from server.rollups import maintainer, rebuild
from server.rollups.models import Reclassification
from server.rollups.plan import DAY
from server.rollups.retention import RAW_TABLE

#: How many requests are listed and kept.
MAX_LISTED = 20
#: An open request that got no further for so long makes room for another one.
STALLED_AFTER = timedelta(minutes=15)

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


class Refused(ValueError):
    """A request that makes no sense, and why. `field`: what of it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self.field = field


def request(first: date, last: date, *, author: str, now: datetime) -> Reclassification:
    """Store the request to reclassify these UTC days, both included. Raises Refused.

    One at a time; one that got no further for STALLED_AFTER ends.
    """
    if first > last:
        raise Refused("first_day", "The first day is after the last one.")
    if last > now.date():
        raise Refused("last_day", "This day has not begun.")
    try:
        rebuild.check_raw_rows(start_of(first), now=now)
    except rebuild.RawRowsGone as error:
        raise Refused("first_day", str(error)) from error
    _end_stalled(now)
    new = Reclassification(
        first_day=first, last_day=last, next_day=first, author=author, requested_at=now,
        progressed_at=now,
    )  # fmt: skip
    try:
        with transaction.atomic():
            new.save()
    except IntegrityError:
        raise Refused("first_day", "One is running; wait until it has ended.") from None
    kept = Reclassification.objects.values_list("pk", flat=True)[:MAX_LISTED]
    Reclassification.objects.filter(is_open=False).exclude(pk__in=list(kept)).delete()
    return new


def _end_stalled(now: datetime) -> None:
    stalled = Reclassification.objects.filter(
        is_open=True, progressed_at__lt=now - STALLED_AFTER
    ).first()
    if stalled is not None:
        end(stalled, failure="It got no further, and another was requested.")


def proceed(pk: int, *, max_s: float) -> bool:
    """Reclassify days of a request until it ends or so long has passed; return whether it goes on.

    A day that was done is not done again, and two that do this at once do no harm. Raises what
    the database raises; the request stays open then.
    """
    begun = monotonic()
    while True:
        row = Reclassification.objects.filter(pk=pk, is_open=True).first()
        if row is None:
            return False
        if row.next_day > row.last_day:
            end(row)
            return False
        if monotonic() - begun > max_s:
            return True
        _proceed_by_a_day(row)


def _proceed_by_a_day(row: Reclassification) -> None:
    start, now = start_of(row.next_day), timezone.now()
    try:
        ((_, changed),) = reclassify(start, start, now=now)
    except rebuild.RawRowsGone as error:
        end(row, failure=str(error))
        return
    Reclassification.objects.filter(pk=row.pk, next_day=row.next_day).update(
        next_day=row.next_day + DAY, progressed_at=timezone.now(),
        changed_count=F("changed_count") + changed,
    )  # fmt: skip


def end(row: Reclassification, *, failure: str = "") -> None:
    """Note that a request has ended, and why where it did so early."""
    Reclassification.objects.filter(pk=row.pk, is_open=True).update(
        is_open=False, ended_at=timezone.now(), failure=failure[:300]
    )


def list_requests() -> list[Reclassification]:
    """Return the newest requests, the newest first."""
    return [*Reclassification.objects.all()[:MAX_LISTED]]


def start_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
