"""Judgement of the mail queues. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from server.mailqueues.accounting import Database

#: A message that has waited longer needs a look; longer than the second, at once.
OLDEST_WARNING, OLDEST_CRITICAL = timedelta(hours=1), timedelta(hours=24)


def judge_age(oldest: timedelta | None) -> str:
    """Return the level of queues whose oldest message waits for so long; ok where none waits."""
    if oldest is None or oldest <= OLDEST_WARNING:
        return "ok"
    return "critical" if oldest > OLDEST_CRITICAL else "warning"


def oldest_created_at(queues: Sequence[Database]) -> datetime | None:
    """Return when the oldest waiting message was queued; None where none waits or is known."""
    details = [queue.detail[1] for queue in queues if queue.detail]
    return min((d.oldest_created_at for d in details if d.oldest_created_at), default=None)
