"""Readiness: do the Redis databases answer, is what is accepted stored, does a worker live?"""

from datetime import UTC, datetime
from typing import Any

import redis
from django.conf import settings
from dramatiq import Broker

from server.ingest.inbox import EVENTS, SAMPLES, age_s
from server.observability.health import TIMEOUT_S, Finding
from server.worker_threads import Periodic

#: Written by each worker process every so often, in the broker's database.
HEARD = "mallard:worker:heard"
HEARD_EVERY_S = 5.0
#: Silent for longer than this: no worker runs, or none can reach Redis.
SILENT_AFTER_S = 30.0
#: A batch that waits longer than this is not being stored.
WAITS_TOO_LONG_S = 60.0
DATABASES = {
    "inbox": "INBOX_REDIS_URL",
    "broker": "BROKER_REDIS_URL",
    "live counters": "LIVE_REDIS_URL",
}


class WorkerHeard(Periodic):
    """Says that this worker process lives."""

    name = "worker-heard"
    every_s = HEARD_EVERY_S

    def work(self, broker: Broker) -> None:
        """Write the time of this moment."""
        with _client(settings.BROKER_REDIS_URL) as client:
            client.set(HEARD, datetime.now(UTC).isoformat())


def redis_databases() -> Finding:
    """Ask each of the three for an answer. Without the inbox nothing is accepted."""
    silent = []
    for what, name in DATABASES.items():
        try:
            with _client(getattr(settings, name)) as client:
                client.ping()
        except redis.RedisError as error:
            silent.append(f"{what} ({name}): {error}")
    if silent:
        text = f"Redis does not answer for {'; '.join(silent)}"
        return Finding("redis", ok=False, text=text)
    return Finding("redis", ok=True, text="Inbox, broker and live counters answer.")


def inbox() -> Finding:
    """Look how much is accepted and not yet stored, and for how long."""
    figures: dict[str, Any] = {}
    wrong = []
    try:
        with _client(settings.INBOX_REDIS_URL) as client:
            for box in (EVENTS, SAMPLES):
                length = int(client.xlen(box.stream))
                first: Any = client.xrange(box.stream, count=1)
                oldest_s = age_s(first[0][0]) if first else None
                figures[box.kind] = {"batches": length, "oldest_s": oldest_s}
                if length >= settings.INBOX_MAX_ENTRIES:
                    wrong.append(f"the inbox of {box.kind} is full: the door answers 503")
                elif oldest_s is not None and oldest_s > WAITS_TOO_LONG_S:
                    wrong.append(
                        f"{length} batches of {box.kind} wait, the oldest for {oldest_s:.0f} s:"
                        " they are not being stored"
                    )
    except redis.RedisError:
        text = "Not known, as Redis does not answer."
        return Finding("inbox", ok=False, text=text, needed=False)
    waiting = sum(each["batches"] for each in figures.values())
    text = f"{'; '.join(wrong)}." if wrong else f"{waiting} batches wait to be stored."
    text = text[0].upper() + text[1:]
    return Finding("inbox", ok=not wrong, text=text, needed=False, figures=figures)


def worker() -> Finding:
    """Look when a worker last said that it lives."""
    try:
        with _client(settings.BROKER_REDIS_URL) as client:
            said: Any = client.get(HEARD)
    except redis.RedisError:
        text = "Not known, as Redis does not answer."
        return Finding("worker", ok=False, text=text, needed=False)
    if said is None:
        text = "No worker was ever heard from: what is accepted is not stored. Start one."
        return Finding("worker", ok=False, text=text, needed=False)
    heard_at = datetime.fromisoformat(said.decode())
    silent_s = max(0.0, (datetime.now(UTC) - heard_at).total_seconds())
    figures = {"heard_at": heard_at, "silent_s": silent_s}
    if silent_s > SILENT_AFTER_S:
        text = f"No worker was heard from for {silent_s:.0f} s: what is accepted is not stored."
        return Finding("worker", ok=False, text=text, needed=False, figures=figures)
    text = f"A worker was heard from {silent_s:.0f} s ago."
    return Finding("worker", ok=True, text=text, needed=False, figures=figures)


def _client(url: str) -> "redis.Redis":
    return redis.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
