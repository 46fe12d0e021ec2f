"""The clock of housekeeping: a thread in each worker process, of which one at a time is heard."""

import redis
from django.conf import settings
from dramatiq import Broker
from dramatiq.errors import BrokerError

from server.worker_threads import Periodic

HOUSEKEEPING_EVERY_S = 3600
REDIS_TIMEOUT_S = 5.0
CLAIM = "housekeeping:claimed"
#: By name: actors are imported after this middleware.
ACTOR = "keep_house"


class HousekeepingClock(Periodic):
    """Sends the actor once in HOUSEKEEPING_EVERY_S, however many processes there are."""

    name = "housekeeping"
    every_s = 60.0

    def work(self, broker: Broker) -> None:
        """Look at the clock all processes share."""
        with redis.Redis.from_url(
            settings.BROKER_REDIS_URL,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
        ) as client:
            look(broker, client)


def look(broker: Broker, client: "redis.Redis") -> bool:
    """Send the actor if nobody did in the last HOUSEKEEPING_EVERY_S; return whether it was sent."""
    if not client.set(CLAIM, "1", nx=True, ex=HOUSEKEEPING_EVERY_S):
        return False
    try:
        broker.get_actor(ACTOR).send()
    except BrokerError:
        client.delete(CLAIM)
        raise
    return True
