"""Registration of this room with Django."""

from django.apps import AppConfig


class IngestConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.ingest"
    label = "ingest"

    def ready(self) -> None:
        """Register the checks, probes and figures."""
        from server.ingest import (
            health,
            metrics,
        )
        from server.observability import metrics as all_figures
        from server.observability.health import register

        for probe in (health.redis_databases, health.inbox, health.worker):
            register(probe)
        for source in (metrics.inboxes, metrics.dead_letters, metrics.workers):
            all_figures.register(source)
