"""The safety net of the wake-ups: a thread in each worker that looks whether an inbox waits."""

import logging
from threading import Event, Thread
from typing import Any

import redis
from dramatiq import Broker, Worker
from dramatiq.errors import BrokerError
from dramatiq.middleware import Middleware

from server.ingest.inbox import EVENTS, SAMPLES, Inbox

logger = logging.getLogger(__name__)

EVERY_S = 0.25
STOP_WITHIN_S = 2.0
#: The actor of each inbox, by name: actors are imported after this middleware.
ACTORS: tuple[tuple[Inbox, str], ...] = ((EVENTS, "write_events"), (SAMPLES, "write_samples"))


class InboxSweeper(Middleware):
    """Wakes a writer when entries wait and none is at work: after a crash, or a lost wake-up."""

    def __init__(self) -> None:
        self._stop = Event()
        self._thread: Thread | None = None

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Start sweeping. Owned by the worker process, stopped with it."""
        self._thread = Thread(target=self._run, args=(broker,), name="inbox-sweeper", daemon=True)
        self._thread.start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Stop within STOP_WITHIN_S."""
        self._stop.set()
        if self._thread:
            self._thread.join(STOP_WITHIN_S)

    def _run(self, broker: Broker) -> None:
        while not self._stop.wait(EVERY_S):
            try:
                sweep(broker)
            except (redis.RedisError, BrokerError) as error:
                logger.warning("Cannot look into the inbox: %s", error)
                self._stop.wait(EVERY_S * 8)


def sweep(broker: Any) -> None:
    """Wake the writer of each inbox that waits and has none at work."""
    for inbox, actor_name in ACTORS:
        if inbox.length() and inbox.claim_wake_up():
            broker.get_actor(actor_name).send()
