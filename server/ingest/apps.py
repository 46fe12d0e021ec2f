"""Registration of this room with Django."""

from django.apps import AppConfig


class IngestConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.ingest"
    label = "ingest"

    def ready(self) -> None:
        """Register the checks."""
        from server.ingest import checks, readiness  # noqa: F401
        from server.readiness import register

        for probe in (readiness.redis_databases, readiness.inbox, readiness.worker):
            register(probe)
