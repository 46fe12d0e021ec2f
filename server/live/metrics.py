"""Metrics of the live process: events stored, open sockets."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings

from server.observability.health import probe_client
from server.observability.metrics import Metric

#: Counts events stored for the first time, since the live database was last emptied.
STORED = "mallard:stored:events"
#: `<prefix><process>` → its open sockets, while the process renews it.
SOCKETS = "mallard:live:sockets:"
SOCKETS_EXPIRE_S = 10


def flow() -> Iterator[Metric]:
    """Query the live database. Raises redis.RedisError."""
    with probe_client(settings.LIVE_REDIS_URL) as client:
        stored: Any = client.get(STORED)
        keys = list(client.scan_iter(match=f"{SOCKETS}*", count=1000))
        counts: Any = client.mget(keys) if keys else []
    yield Metric("mallard_events_stored_total", "Events stored for the first time.",
                 int(stored or 0), kind="counter")  # fmt: skip
    yield Metric("mallard_live_sockets", "Open sockets of live pages.",
                 sum(int(count or 0) for count in counts))  # fmt: skip
    yield Metric("mallard_live_processes", "Live processes that say they are there.", len(keys))
