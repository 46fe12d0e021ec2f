"""Bounds on logins: who may try now, and how many passwords are hashed at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import Max, Sum
from django.utils import timezone

from server.http.client_address import is_ip

#: Hashing a password occupies a core for a good part of a second, and a thread that agents need
#: too: one is hashed, another waits, further ones are to come again.
MAX_AT_ONCE = 2
#: From so many wrong passwords of a name on, wherever they come from, one is tried in so long. Not
#: where the name has logged in before: strangers could keep its owner out.
SLOW_FROM_FAILURES, SLOW_EVERY = 20, timedelta(seconds=30)

_places = threading.BoundedSemaphore(MAX_AT_ONCE)
_hashing = threading.Lock()


class Busy(Exception):
    """So many passwords are being hashed already that this one would have to wait."""


@contextmanager
def turn() -> Iterator[None]:
    """Wait for the turn to hash a password. Raises Busy at once when others wait already."""
    if not _places.acquire(blocking=False):
        raise Busy
    try:
        with _hashing:
            yield
    finally:
        _places.release()


def may_try(name: str, address: str) -> bool:
    """Return whether a password of `name` may be tried from `address` now."""
    now = timezone.now()
    recent = AccessAttempt.objects.filter(attempt_time__gte=now - settings.AXES_COOLOFF_TIME)
    if is_ip(address):
        failures = recent.filter(ip_address=address).aggregate(n=Sum("failures_since_start"))["n"]
        if (failures or 0) >= settings.LOGIN_FAILURES_OF_ADDRESS:
            return False
    of_name = recent.filter(username=name).aggregate(
        failures=Sum("failures_since_start"), last_at=Max("attempt_time")
    )
    if (of_name["failures"] or 0) < SLOW_FROM_FAILURES or of_name["last_at"] < now - SLOW_EVERY:
        return True
    return is_ip(address) and AccessLog.objects.filter(username=name, ip_address=address).exists()


def delete_old(now: datetime) -> int:
    """Delete records of logins that are past their retention, and sessions that have ended."""
    oldest = now - timedelta(days=settings.LOGIN_RECORDS_RETENTION_DAYS)
    records = (
        model.objects.filter(attempt_time__lt=oldest)
        for model in (AccessAttempt, AccessFailureLog, AccessLog)
    )
    ended = Session.objects.filter(expire_date__lt=now)
    return sum(rows.delete()[0] for rows in (*records, ended))
