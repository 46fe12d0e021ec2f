"""Beats of background tasks: when each last did its work, and how often that failed.

Each process writes those of its own tasks to Redis; /health/ready and /metrics read all of them.
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from django.conf import settings

from server.observability.health import ProbeResult, probe_client
from server.observability.metrics import Metric

#: Hash in the database of live counters: task and process → JSON.
KEY = "mallard:beats"
#: A task writes this often at most.
WRITE_EVERY_S = 5.0
#: A task that has not done its work for so many of its intervals, and so long, has stopped.
INTERVALS, GRACE_S = 3, 30.0
#: What a process that is gone wrote is forgotten after this, once another one has the task.
FORGET_AFTER = timedelta(hours=1)
MAX_ERROR_CHARS = 200


@dataclass
class Task:
    """A background task of this process. `every_s`: how often it does its work at least."""

    name: str
    every_s: float
    done_at: datetime | None = None
    failures: int = 0
    error: str = ""
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def done(self) -> None:
        """Note that it did its work just now."""
        self.done_at, self.error = datetime.now(UTC), ""

    def failed(self, error: BaseException) -> None:
        """Count a failure. It is failing until its work is done again."""
        self.failures += 1
        self.error = f"{type(error).__name__}: {error}".strip()[:MAX_ERROR_CHARS]

    def as_entry(self) -> dict[str, str]:
        """Return its field of the hash."""
        value = {
            "at": (self.done_at or self.started_at).isoformat(),
            "every_s": self.every_s,
            "failures": self.failures,
            "error": self.error,
        }
        return {f"{self.name} {os.uname().nodename}-{os.getpid()}": json.dumps(value)}


@dataclass(frozen=True)
class Beat:
    """The last beat of a task in one process, as it wrote it."""

    task: str
    at: datetime
    every_s: float
    failures: int
    error: str

    def is_late(self, now: datetime) -> bool:
        return (now - self.at).total_seconds() > INTERVALS * self.every_s + GRACE_S


def write(task: Task) -> None:
    """Write the beat of a task. Raises redis.RedisError."""
    with probe_client(settings.LIVE_REDIS_URL) as client:
        client.hset(KEY, mapping=dict(task.as_entry()))


def forget_old(task: Task) -> None:
    """Forget the beats that processes before this one left. Raises redis.RedisError."""
    before = datetime.now(UTC) - FORGET_AFTER
    with probe_client(settings.LIVE_REDIS_URL) as client:
        entries: Any = client.hgetall(KEY)
        old = [
            name for name, beat in _parse(entries) if beat.task == task.name and beat.at < before
        ]
        if old:
            client.hdel(KEY, *old)


def read() -> list[Beat]:
    """Return the beats of all processes. Raises redis.RedisError."""
    with probe_client(settings.LIVE_REDIS_URL) as client:
        entries: Any = client.hgetall(KEY)
    return [beat for _, beat in _parse(entries)]


def find_failures(beats: Iterable[Beat], now: datetime) -> dict[str, str]:
    """Return what is wrong with each task that has stopped or fails, by its name. Pure.

    A task goes on while any process does its work; one that fails in any of them is named.
    """
    wrong: dict[str, str] = {}
    newest: dict[str, Beat] = {}
    for beat in sorted(beats, key=lambda beat: beat.at):
        newest[beat.task] = beat
        if beat.error and not beat.is_late(now):
            wrong[beat.task] = f"{beat.task} fails: {beat.error}"
    for beat in newest.values():
        if beat.is_late(now):
            silent_s = (now - beat.at).total_seconds()
            reason = f" ({beat.error})" if beat.error else ""
            wrong[beat.task] = f"{beat.task} did nothing for {silent_s:.0f} s{reason}"
    return wrong


def tasks() -> ProbeResult | None:
    """Look for the last beat of each background task; None where none ever ran."""
    try:
        beats = read()
    except redis.RedisError:
        return None  # the probe of Redis says so
    if not beats:
        return None
    now = datetime.now(UTC)
    wrong = find_failures(beats, now)
    newest = {beat.task: beat.at for beat in sorted(beats, key=lambda beat: beat.at)}
    text = f"{'; '.join(wrong.values())}." if wrong else "All of them do their work."
    figures = {"last_beats": newest, "failing": sorted(wrong)}
    return ProbeResult("tasks", ok=not wrong, text=text, needed=False, figures=figures)


def failures() -> Iterator[Metric]:
    """Count the failures of each task in the processes that are known."""
    counts: dict[str, int] = {}
    try:
        beats = read()
    except redis.RedisError:
        return  # the live counters, in the same database, are missed already
    for beat in beats:
        counts[beat.task] = counts.get(beat.task, 0) + beat.failures
    for task, count in sorted(counts.items()):
        yield Metric("mallard_task_failures_total", "Failed runs of background tasks.", count,
                     kind="counter", labels={"task": task})  # fmt: skip


def _parse(entries: dict[bytes, bytes]) -> Iterator[tuple[bytes, Beat]]:
    for name, value in entries.items():
        content = json.loads(value) | {"task": name.decode().partition(" ")[0]}
        yield name, Beat(**content | {"at": datetime.fromisoformat(content["at"])})
