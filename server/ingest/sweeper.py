"""Safety net of the wake-ups: a thread in each worker that looks for waiting entries."""

from dramatiq import Broker

from server.ingest.inbox import EVENTS, SAMPLES, Inbox
from server.worker_threads import PeriodicThread

#: The actor of each inbox, by name: actors are imported after this middleware.
ACTORS: tuple[tuple[Inbox, str], ...] = ((EVENTS, "write_events"), (SAMPLES, "write_samples"))


class InboxSweeper(PeriodicThread):
    """Wakes a writer when entries wait and none is at work: after a crash, or a lost wake-up."""

    name = "inbox-sweeper"
    every_s = 0.25

    def work(self, broker: Broker) -> None:
        sweep(broker)


def sweep(broker: Broker) -> None:
    """Wake the writer of each inbox that has entries, or some that wait apart, and no writer at
    work."""
    for inbox, actor_name in ACTORS:
        if (inbox.length() or inbox.apart.length()) and inbox.claim_wakeup():
            broker.get_actor(actor_name).send()
