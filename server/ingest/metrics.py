"""What this room tells of itself: what waits, since when, and what could not be stored."""

from collections.abc import Iterator

from django.conf import settings

from server.ingest import health
from server.ingest.inbox import EVENTS, SAMPLES
from server.ingest.models import DeadLetter
from server.observability.metrics import Figure


def inboxes() -> Iterator[Figure]:
    """Tell of each inbox. Raises redis.RedisError."""
    for box in (EVENTS, SAMPLES):
        kind = {"kind": box.kind}
        yield Figure("mallard_inbox_batches", "Accepted and not yet stored.", box.length(),
                     labels=kind)  # fmt: skip
        yield Figure("mallard_inbox_bytes", "The same in bytes.", box.size_bytes(), labels=kind)
        yield Figure("mallard_inbox_oldest_seconds", "How long the oldest of them waits.",
                     box.oldest_s() or 0.0, labels=kind)  # fmt: skip
    yield Figure("mallard_inbox_batches_max", "The bound: past it the door answers 503.",
                 settings.INBOX_MAX_ENTRIES)  # fmt: skip


def dead_letters() -> Iterator[Figure]:
    """Count what could not be stored. Raises django.db.Error."""
    yield Figure("mallard_dead_letters", "What could not be stored.", DeadLetter.objects.count())


def workers() -> Iterator[Figure]:
    """Tell how long no worker was heard from; nothing when none ever was."""
    silent_s = health.worker().figures.get("silent_s")
    if silent_s is not None:
        yield Figure("mallard_worker_silent_seconds", "Since a worker was heard from.", silent_s)
