"""The clock of housekeeping: a thread in each worker process, of which one at a time is heard."""

import logging
from threading import Event, Thread
from typing import Any

import redis
from django.conf import settings
from dramatiq import Broker, Worker
from dramatiq.errors import BrokerError
from dramatiq.middleware import Middleware

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 60.0
HOUSEKEEPING_EVERY_S = 3600
STOP_WITHIN_S = 2.0
REDIS_TIMEOUT_S = 5.0
CLAIM = "housekeeping:claimed"
#: By name: actors are imported after this middleware.
ACTOR = "keep_house"


class HousekeepingClock(Middleware):
    """Sends the actor once in HOUSEKEEPING_EVERY_S, however many processes there are."""

    def __init__(self) -> None:
        self._stop = Event()
        self._thread: Thread | None = None

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Start looking at the clock. Owned by the worker process, stopped with it."""
        self._thread = Thread(target=self._run, args=(broker,), name="housekeeping", daemon=True)
        self._thread.start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Stop within STOP_WITHIN_S."""
        self._stop.set()
        if self._thread:
            self._thread.join(STOP_WITHIN_S)

    def _run(self, broker: Broker) -> None:
        client = redis.Redis.from_url(
            settings.BROKER_REDIS_URL,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
        )
        with client:
            while not self._stop.is_set():
                try:
                    look(broker, client)
                except (redis.RedisError, BrokerError) as error:
                    logger.warning("Cannot send the housekeeping: %s", error)
                self._stop.wait(LOOK_EVERY_S)


def look(broker: Any, client: "redis.Redis") -> bool:
    """Send the actor if nobody did in the last HOUSEKEEPING_EVERY_S; return whether it was sent."""
    if not client.set(CLAIM, "1", nx=True, ex=HOUSEKEEPING_EVERY_S):
        return False
    try:
        broker.get_actor(ACTOR).send()
    except BrokerError:
        client.delete(CLAIM)
        raise
    return True
