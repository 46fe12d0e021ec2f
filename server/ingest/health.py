"""Probes: the Redis databases answer, accepted batches are stored, a worker is alive."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import redis
from django.conf import settings
from dramatiq import Broker

from server.alerts.backlog import MAX_STORED_AFTER, WORKER_SILENT_AFTER
from server.ingest.inbox import EVENTS, SAMPLES
from server.observability.backlog import Backlog
from server.observability.health import ProbeResult, probe_client
from server.worker_threads import PeriodicThread

#: Written by each worker process, in the broker's database.
HEARTBEAT_KEY = "mallard:worker:heard"
HEARTBEAT_EVERY_S = 5.0
#: What is accepted and not stored, that which was refused included.
BOXES = (EVENTS, SAMPLES, EVENTS.apart, SAMPLES.apart)
REDIS_IS_SILENT = "Not known, as Redis does not answer."
DATABASES = {
    "inbox": "INBOX_REDIS_URL",
    "broker": "BROKER_REDIS_URL",
    "live counters": "LIVE_REDIS_URL",
}


class WorkerHeartbeat(PeriodicThread):
    """Writes the heartbeat of this worker process."""

    name = "worker-heartbeat"
    every_s = HEARTBEAT_EVERY_S

    def work(self, broker: Broker) -> None:
        with probe_client(settings.BROKER_REDIS_URL) as client:
            client.set(HEARTBEAT_KEY, datetime.now(UTC).isoformat())


def redis_databases() -> ProbeResult:
    """Ping each of the three. Without the inbox nothing is accepted."""
    silent = []
    for database, name in DATABASES.items():
        try:
            with probe_client(getattr(settings, name)) as client:
                client.ping()
        except redis.RedisError as error:
            silent.append(f"{database} ({name}): {error}")
    if silent:
        text = f"Redis does not answer for {'; '.join(silent)}"
        return ProbeResult("redis", ok=False, text=text)
    return ProbeResult("redis", ok=True, text="Inbox, broker and live counters answer.")


def inbox() -> ProbeResult:
    """Look how many batches are accepted and not yet stored, and for how long."""
    result = partial(ProbeResult, "inbox", needed=False)
    figures: dict[str, Any] = {}
    problems = []
    try:
        with probe_client(settings.INBOX_REDIS_URL) as client:
            for box in (EVENTS, SAMPLES):
                length, oldest_s = box.length(client), box.oldest_s(client)
                figures[box.kind] = {"batches": length, "oldest_s": oldest_s}
                if length >= settings.INBOX_MAX_ENTRIES:
                    problems.append(f"the inbox of {box.kind} is full: the server answers 503")
                elif oldest_s is not None and oldest_s > MAX_STORED_AFTER.total_seconds():
                    problems.append(
                        f"{length} batches of {box.kind} wait, the oldest for {oldest_s:.0f} s:"
                        " they are not being stored"
                    )
            apart = sum(box.apart.length(client) for box in (EVENTS, SAMPLES))
    except redis.RedisError:
        return result(ok=False, text=REDIS_IS_SILENT)
    waiting = sum(each["batches"] for each in figures.values()) + apart
    refused = f", {apart} of them refused" if apart else ""
    text = f"{waiting} batches wait to be stored{refused}."
    if problems:
        text = f"{'; '.join(problems)}."
    return result(ok=not problems, text=text[0].upper() + text[1:], figures=figures)


def worker() -> ProbeResult:
    """Look for the last heartbeat of a worker."""
    result = partial(ProbeResult, "worker", needed=False)
    try:
        with probe_client(settings.BROKER_REDIS_URL) as client:
            heartbeat: Any = client.get(HEARTBEAT_KEY)
    except redis.RedisError:
        return result(ok=False, text=REDIS_IS_SILENT)
    heard_at = _parse_time(heartbeat)
    if heard_at is None:
        text = "No worker has reported yet: accepted batches are not stored. Start one."
        return result(ok=False, text=text)
    silent_s = max(0.0, (datetime.now(UTC) - heard_at).total_seconds())
    is_silent = silent_s > WORKER_SILENT_AFTER.total_seconds()
    text = f"A worker reported {silent_s:.0f} s ago."
    if is_silent:
        text = f"No worker has reported for {silent_s:.0f} s: accepted batches are not stored."
    figures = {"heard_at": heard_at, "silent_s": silent_s}
    return result(ok=not is_silent, text=text, figures=figures)


def read_backlog() -> Backlog:
    """Return what waits, and when a worker reported last. Raises redis.RedisError."""
    now = datetime.now(UTC)
    with probe_client(settings.INBOX_REDIS_URL) as client:
        ages_s = [age for box in BOXES if (age := box.oldest_s(client)) is not None]
        events, samples, *apart = (box.length(client) for box in BOXES)
    with probe_client(settings.BROKER_REDIS_URL) as client:
        worker_at = _parse_time(client.get(HEARTBEAT_KEY))
    oldest_at = now - timedelta(seconds=max(ages_s)) if ages_s else None
    events_apart, samples_apart = apart
    return Backlog(
        events=events + events_apart,
        samples=samples + samples_apart,
        apart=sum(apart),
        oldest_at=oldest_at,
        worker_at=worker_at,
    )


def _parse_time(heartbeat: Any) -> datetime | None:
    return None if heartbeat is None else datetime.fromisoformat(heartbeat.decode())
