"""Judgement of the server itself: whether what it accepted is stored. Pure.

It comes before all others: what waits to be stored says nothing about nodes, and what has not
arrived in the tables is not missing.
"""

from datetime import datetime, timedelta

from server.formats import thousands
from server.observability.backlog import Backlog

#: Without a heartbeat for longer than this, no worker runs, or none can reach Redis.
WORKER_SILENT_AFTER = timedelta(seconds=30)
#: A batch is usually stored within a second.
MAX_WAIT = timedelta(seconds=10)
#: One that waits longer than this is not being stored.
MAX_STORED_AFTER = timedelta(seconds=60)


def is_worker_silent(backlog: Backlog, now: datetime) -> bool:
    """Return whether no worker runs; where none ever did, that is the same."""
    return backlog.worker_at is None or now - backlog.worker_at > WORKER_SILENT_AFTER


def judge_backlog(backlog: Backlog, now: datetime) -> str:
    """Return the level: critical where nothing is stored, warning where storing is behind."""
    if not backlog.is_known:
        return "critical"
    if not backlog.batches or backlog.oldest_at is None:
        return "ok"
    if is_worker_silent(backlog, now):
        return "critical"
    return "warning" if now - backlog.oldest_at > MAX_WAIT else "ok"


def is_behind(backlog: Backlog, now: datetime) -> bool:
    """Return whether the tables lack what the server has accepted, or may lack it."""
    return judge_backlog(backlog, now) != "ok"


def unstored(backlog: Backlog, now: datetime) -> timedelta:
    """Return how far back the tables may lack what was accepted; zero where storing keeps up."""
    if backlog.oldest_at is None or not is_behind(backlog, now):
        return timedelta()
    return max(now - backlog.oldest_at, timedelta())


def describe_unstored(backlog: Backlog) -> str:
    """Return why completeness is not known: "279 batches wait (3 were refused)"."""
    if not backlog.is_known:
        return "Redis does not answer"
    count = backlog.batches
    text = f"{thousands(count)} {'batch waits' if count == 1 else 'batches wait'}"
    if not backlog.apart:
        return text
    was = "was" if backlog.apart == 1 else "were"
    return f"{text} ({thousands(backlog.apart)} {was} refused)"
