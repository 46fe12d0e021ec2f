"""Dramatiq's broker in Redis, which looks often only where somebody waits."""

from dramatiq import Consumer
from dramatiq.brokers.redis import RedisBroker

#: Queues that a browser waits for: looked at as often as Dramatiq's timeout says.
LIVE_QUEUES = frozenset({"events", "samples"})
#: The longest wait between two looks at any other queue, and at those of what is tried again.
#: Ten queues, each looked at ten times a second, cost an idle worker a thirtieth of a core.
IDLE_MS = 1_000


class PatientRedisBroker(RedisBroker):
    """A RedisBroker whose idle consumers of other queues than LIVE_QUEUES look once a second."""

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5_000) -> Consumer:
        wait_ms = timeout if queue_name in LIVE_QUEUES else max(timeout, IDLE_MS)
        return super().consume(queue_name, prefetch, wait_ms)
