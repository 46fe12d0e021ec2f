"""Probes: the Redis databases answer, accepted batches are stored, a worker is alive."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import redis
from django.conf import settings
from dramatiq import Broker

from server.alerts.backlog import WORKER_SILENT_AFTER
from server.ingest.inbox import EVENTS, SAMPLES, Inbox, age_s
from server.observability.backlog import Backlog
from server.observability.health import TIMEOUT_S, ProbeResult
from server.worker_threads import PeriodicThread

#: Written by each worker process, in the broker's database.
HEARTBEAT_KEY = "mallard:worker:heard"
HEARTBEAT_EVERY_S = 5.0
#: A batch that waits longer than this is not being stored.
WAITS_TOO_LONG_S = 60.0
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
        with _client(settings.BROKER_REDIS_URL) as client:
            client.set(HEARTBEAT_KEY, datetime.now(UTC).isoformat())


def redis_databases() -> ProbeResult:
    """Ping each of the three. Without the inbox nothing is accepted."""
    silent = []
    for database, name in DATABASES.items():
        try:
            with _client(getattr(settings, name)) as client:
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
        with _client(settings.INBOX_REDIS_URL) as client:
            for box in (EVENTS, SAMPLES):
                length, oldest_s = _waiting(client, box)
                figures[box.kind] = {"batches": length, "oldest_s": oldest_s}
                if length >= settings.INBOX_MAX_ENTRIES:
                    problems.append(f"the inbox of {box.kind} is full: the server answers 503")
                elif oldest_s is not None and oldest_s > WAITS_TOO_LONG_S:
                    problems.append(
                        f"{length} batches of {box.kind} wait, the oldest for {oldest_s:.0f} s:"
                        " they are not being stored"
                    )
    except redis.RedisError:
        return result(ok=False, text=REDIS_IS_SILENT)
    waiting = sum(each["batches"] for each in figures.values())
    text = f"{'; '.join(problems)}." if problems else f"{waiting} batches wait to be stored."
    return result(ok=not problems, text=text[0].upper() + text[1:], figures=figures)


def worker() -> ProbeResult:
    """Look for the last heartbeat of a worker."""
    result = partial(ProbeResult, "worker", needed=False)
    try:
        with _client(settings.BROKER_REDIS_URL) as client:
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
    with _client(settings.INBOX_REDIS_URL) as client:
        events, samples = (_waiting(client, box) for box in (EVENTS, SAMPLES))
    with _client(settings.BROKER_REDIS_URL) as client:
        worker_at = _parse_time(client.get(HEARTBEAT_KEY))
    ages_s = [age for _, age in (events, samples) if age is not None]
    oldest_at = now - timedelta(seconds=max(ages_s)) if ages_s else None
    return Backlog(events[0], samples[0], oldest_at, worker_at)


def _waiting(client: "redis.Redis", box: Inbox) -> tuple[int, float | None]:
    """Return how many batches wait in `box`, and how many seconds the oldest does."""
    firsts: Any = [client.xrange(stream, count=1) for stream in box.streams]
    ages_s = (age_s(first[0][0]) for first in firsts if first)
    return sum(int(client.xlen(stream)) for stream in box.streams), max(ages_s, default=None)


def _parse_time(heartbeat: Any) -> datetime | None:
    return None if heartbeat is None else datetime.fromisoformat(heartbeat.decode())


def _client(url: str) -> "redis.Redis":
    return redis.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
