"""Registration of this room with Django."""

from django.apps import AppConfig


class IngestConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.ingest"
    label = "ingest"

    def ready(self) -> None:
        """Register the checks, probes and figures."""
        from server import figures as all_figures
        from server.ingest import checks, figures, readiness  # noqa: F401
        from server.readiness import register

        for probe in (readiness.redis_databases, readiness.inbox, readiness.worker):
            register(probe)
        for source in (figures.inboxes, figures.dead_letters, figures.workers):
            all_figures.register(source)
