"""Conditions of this server itself: it is judged first. Pure."""

from collections.abc import Iterator

from server.alerts.backlog import MAX_STORED_AFTER, WORKER_SILENT_AFTER
from server.alerts.conditions.condition import Condition, Reading, Subject, Values, alarm, warn
from server.alerts.conditions.parameters import Parameter
from server.alerts.snapshot import Snapshot
from server.formats import duration, thousands

INBOX, WORKER = Subject("server", "inbox"), Subject("server", "worker")
REDIS, DEAD_LETTERS = Subject("server", "redis"), Subject("server", "dead letters")


def read_inbox(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield for how many seconds the oldest accepted batch waits to be stored."""
    backlog = snapshot.backlog
    if not backlog.is_known:
        yield Reading(INBOX, None)
        return
    waits = snapshot.now - backlog.oldest_at if backlog.oldest_at else None
    seconds = max(0.0, waits.total_seconds()) if waits else 0.0
    text = f"{thousands(backlog.batches)} batches wait to be stored, for {duration(seconds)}"
    yield Reading(INBOX, seconds, text, {"batches": backlog.batches})


def read_worker(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield for how many seconds no worker has sent a heartbeat."""
    backlog = snapshot.backlog
    if not backlog.is_known:
        yield Reading(WORKER, None)
    elif backlog.worker_at is not None:
        seconds = max(0.0, (snapshot.now - backlog.worker_at).total_seconds())
        text = f"No worker has reported for {duration(seconds)}: nothing is stored"
        yield Reading(WORKER, seconds, text, {"worker_at": backlog.worker_at.isoformat()})


def read_redis(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield 1 while this server's Redis does not answer."""
    text = "Redis does not answer this server: nothing is accepted"
    yield Reading(REDIS, float(not snapshot.backlog.is_known), text)


def read_dead_letters(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield how many dead letters there are."""
    count = snapshot.dead_letters
    noun = "event or sample" if count == 1 else "events or samples"
    text = f"{thousands(count)} {noun} could not be stored"
    yield Reading(DEAD_LETTERS, float(count), text, {"count": count})


INBOX_WAITS = Condition(
    "inbox_waits", "server", "server", "Accepted batches wait to be stored.", read_inbox,
    Parameter("threshold", "s", MAX_STORED_AFTER.total_seconds(), "Waits for longer."), "above",
)  # fmt: skip
WORKER_SILENT = Condition(
    "worker_silent", "server", "server", "No worker stores what is accepted.", read_worker,
    Parameter("threshold", "s", WORKER_SILENT_AFTER.total_seconds(), "Silent for longer."),
    "above",
)  # fmt: skip
REDIS_SILENT = Condition(
    "redis_silent", "server", "server", "This server's Redis does not answer.", read_redis
)
LETTERS = Condition(
    "dead_letters", "server", "server", "Events or samples could not be stored.",
    read_dead_letters,
)  # fmt: skip
CONDITIONS = (INBOX_WAITS, WORKER_SILENT, REDIS_SILENT, LETTERS)
RULES = (
    alarm("inbox_waits", INBOX_WAITS, threshold="60 s", clear="10 s"),
    alarm("worker_silent", WORKER_SILENT, threshold="30 s"),
    alarm("redis_silent", REDIS_SILENT, for_="15 s"),
    warn("dead_letters", LETTERS),
)
