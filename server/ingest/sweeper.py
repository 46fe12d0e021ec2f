"""Threads of each worker: the safety net of the wake-ups, and the counter of details."""

from math import inf
from time import monotonic

from django.utils import timezone
from dramatiq import Broker

from server.ingest.inbox import EVENTS, SAMPLES, Inbox
from server.rollups.mail import bounding, details
from server.worker_threads import PeriodicThread

#: The actor of each inbox, by name: actors are imported after this middleware.
ACTORS: tuple[tuple[Inbox, str], ...] = ((EVENTS, "write_events"), (SAMPLES, "write_samples"))


class InboxSweeper(PeriodicThread):
    """Wakes a writer when entries wait and none is at work: after a crash, or a lost wake-up."""

    name = "inbox-sweeper"
    every_s = 0.25

    def work(self, broker: Broker) -> None:
        sweep(broker)


class DetailCounter(PeriodicThread):
    """Counts the details that are due; of several processes one at a time. Nothing is lost when it
    is stopped or fails: the marks stay until a minute is counted."""

    name = "detail-counter"
    every_s = 10.0
    _bounded_at = -inf

    def work(self, broker: Broker) -> None:
        """Count what is over and quiet by now; now and then bound what the levels name."""
        details.count_due(timezone.now())
        if monotonic() - self._bounded_at >= bounding.EVERY_S:
            bounding.bound_values(timezone.now())
            self._bounded_at = monotonic()


def sweep(broker: Broker) -> None:
    """Wake the writer of each inbox that has entries, or some that wait apart, and no writer at
    work."""
    for inbox, actor_name in ACTORS:
        if not inbox.is_empty() and inbox.claim_wakeup():
            broker.get_actor(actor_name).send()
