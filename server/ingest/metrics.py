"""Metrics of ingest: waiting batches, their age, dead letters, workers."""

from collections.abc import Iterator

from django.conf import settings

from server.ingest import health
from server.ingest.dead_letters import count_given_up
from server.ingest.inbox import EVENTS, SAMPLES
from server.ingest.models import DeadLetter
from server.observability.metrics import Metric
from server.storage.same_event import count_collisions


def inboxes() -> Iterator[Metric]:
    """Yield the length and age of each inbox. Raises redis.RedisError."""
    for box in (EVENTS, SAMPLES):
        kind = {"kind": box.kind}
        yield Metric("mallard_inbox_batches", "Accepted and not yet stored.", box.length(),
                     labels=kind)  # fmt: skip
        yield Metric("mallard_inbox_apart_batches", "Refused, and divided apart from these.",
                     box.apart.length(), labels=kind)  # fmt: skip
        yield Metric("mallard_inbox_bytes", "The same in bytes.", box.size_bytes(), labels=kind)
        yield Metric("mallard_inbox_late_batches", "Of them, those beyond a node's share.",
                     box.late_length(), labels=kind)  # fmt: skip
        yield Metric("mallard_inbox_oldest_seconds", "How long the oldest of them waits.",
                     box.oldest_s() or 0.0, labels=kind)  # fmt: skip
    yield Metric("mallard_inbox_batches_max", "The bound: past it the server answers 503.",
                 settings.INBOX_MAX_ENTRIES)  # fmt: skip


def dead_letters() -> Iterator[Metric]:
    """Count the dead letters. Raises django.db.Error or redis.RedisError."""
    yield Metric(
        "mallard_dead_letters",
        "Events and samples that could not be stored.",
        DeadLetter.objects.count(),
    )
    yield Metric("mallard_dead_letters_given_up_total", "The oldest, when there were too many.",
                 count_given_up(), kind="counter")  # fmt: skip


def event_ids() -> Iterator[Metric]:
    """Count the events that two nodes sent under one id. Raises django.db.Error."""
    yield Metric(
        "mallard_event_id_collisions_total",
        "Events that came with the id of another node's event and were stored under another id.",
        count_collisions(),
        kind="counter",
    )


def workers() -> Iterator[Metric]:
    """Yield the time since the last heartbeat of a worker; nothing when there was none."""
    silent_s = health.worker().figures.get("silent_s")
    if silent_s is not None:
        yield Metric(
            "mallard_worker_silent_seconds", "Since the last heartbeat of a worker.", silent_s
        )
