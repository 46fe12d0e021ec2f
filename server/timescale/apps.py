"""Registration of this room with Django."""

from django.apps import AppConfig


class TimescaleConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.timescale"
    label = "timescale"

    def ready(self) -> None:
        """Register the checks."""
        from server.readiness import register
        from server.timescale import checks, readiness  # noqa: F401

        for probe in (readiness.database, readiness.migrations):
            register(probe)
