"""The safety net of the wake-ups: a thread in each worker that looks whether an inbox waits."""

from dramatiq import Broker

from server.ingest.inbox import EVENTS, SAMPLES, Inbox
from server.worker_threads import Periodic

#: The actor of each inbox, by name: actors are imported after this middleware.
ACTORS: tuple[tuple[Inbox, str], ...] = ((EVENTS, "write_events"), (SAMPLES, "write_samples"))


class InboxSweeper(Periodic):
    """Wakes a writer when entries wait and none is at work: after a crash, or a lost wake-up."""

    name = "inbox-sweeper"
    every_s = 0.25

    def work(self, broker: Broker) -> None:
        """Look into each inbox."""
        sweep(broker)


def sweep(broker: Broker) -> None:
    """Wake the writer of each inbox that waits and has none at work."""
    for inbox, actor_name in ACTORS:
        if inbox.length() and inbox.claim_wake_up():
            broker.get_actor(actor_name).send()
