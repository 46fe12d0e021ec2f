"""Setup of Dramatiq: the broker, its middleware, and measured timings."""

import os
from typing import Any
from urllib.parse import urlsplit, urlunsplit

# Dramatiq reads these when it is imported, and `rundramatiq` hands them on to its processes.
# An idle worker otherwise looks for work only once a second, which a live page shows.
os.environ.setdefault("dramatiq_worker_timeout", "100")


def redis_database(url: str, number: int) -> str:
    """Return `url` with its database replaced by `number` (redis://host:port/number)."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{number}"))


def dramatiq_broker(url: str) -> dict[str, Any]:
    """Return the DRAMATIQ_BROKER setting for Redis at `url`.

    The middleware is listed here and not left to defaults: `emit_after` walks it backwards, so the
    one that closes database connections stands before everything that uses them. The inbox sweeper
    is the safety net of the wake-ups. Task arguments never hold foreign text, so none is stored.
    """
    return {
        "BROKER": "server.config.redis_broker.PatientRedisBroker",
        "OPTIONS": {"url": url},
        "MIDDLEWARE": [
            "django_dramatiq.middleware.DbConnectionsMiddleware",
            "dramatiq.middleware.AgeLimit",
            "dramatiq.middleware.TimeLimit",
            "dramatiq.middleware.ShutdownNotifications",
            "dramatiq.middleware.Callbacks",
            "dramatiq.middleware.Retries",
            "server.ingest.sweeper.InboxSweeper",
            "server.timescale.scheduler.HousekeepingScheduler",
            "server.profiles.refresher.SendingIpsRefresher",
            "server.profiles.refresher.AccountNamesRefresher",
            "server.alerts.blocks.scheduler.BlockScheduler",
            "server.ingest.sweeper.DetailCounter",
            "server.ingest.health.WorkerHeartbeat",
            "server.alerts.evaluator.scheduler.AlertEvaluator",
            "server.alerts.notifications.scheduler.NotificationScheduler",
        ],
    }
