"""Schedulers: a thread in each worker process, one of which sends an actor when it is due."""

from functools import cached_property

import redis
from django.conf import settings
from dramatiq import Broker
from dramatiq.errors import BrokerError

from server.worker_threads import PeriodicThread

HOUSEKEEPING_EVERY_S = 3600
REDIS_TIMEOUT_S = 5.0


class ActorScheduler(PeriodicThread):
    """Sends `actor` once in `sent_every_s`, however many processes there are.

    The actor is given by name: actors are imported after this middleware.
    """

    actor: str
    sent_every_s: int

    def work(self, broker: Broker) -> None:
        """Look at the claim that all processes share."""
        self.send_if_due(broker)

    @cached_property
    def _client(self) -> "redis.Redis":
        return redis.Redis.from_url(
            settings.BROKER_REDIS_URL,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
        )

    def send_if_due(self, broker: Broker) -> bool:
        """Send the actor if no process did in `sent_every_s`; return whether it was sent."""
        claim = f"{self.name}:claimed"
        if not self._client.set(claim, "1", nx=True, ex=self.sent_every_s):
            return False
        try:
            broker.get_actor(self.actor).send()
        except BrokerError:
            self._client.delete(claim)
            raise
        return True


class HousekeepingScheduler(ActorScheduler):
    """Sends the actor of housekeeping once an hour."""

    name = "housekeeping"
    every_s = 60.0
    actor = "run_housekeeping"
    sent_every_s = HOUSEKEEPING_EVERY_S
