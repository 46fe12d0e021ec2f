"""Scheduler of housekeeping: a thread in each worker process, one of which sends the actor."""

import redis
from django.conf import settings
from dramatiq import Broker
from dramatiq.errors import BrokerError

from server.worker_threads import PeriodicThread

HOUSEKEEPING_EVERY_S = 3600
REDIS_TIMEOUT_S = 5.0
CLAIM = "housekeeping:claimed"
#: By name: actors are imported after this middleware.
ACTOR = "run_housekeeping"


class HousekeepingScheduler(PeriodicThread):
    """Sends the actor once in HOUSEKEEPING_EVERY_S, however many processes there are."""

    name = "housekeeping"
    every_s = 60.0

    def work(self, broker: Broker) -> None:
        """Look at the claim that all processes share."""
        with redis.Redis.from_url(
            settings.BROKER_REDIS_URL,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
        ) as client:
            send_if_due(broker, client)


def send_if_due(broker: Broker, client: "redis.Redis") -> bool:
    """Send the actor if no process did in HOUSEKEEPING_EVERY_S; return whether it was sent."""
    if not client.set(CLAIM, "1", nx=True, ex=HOUSEKEEPING_EVERY_S):
        return False
    try:
        broker.get_actor(ACTOR).send()
    except BrokerError:
        client.delete(CLAIM)
        raise
    return True
