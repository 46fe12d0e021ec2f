"""Registration of this app with Django."""

from django.apps import AppConfig


class TimescaleConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.timescale"

    def ready(self) -> None:
        from server.observability.health import register
        from server.timescale import checks, health  # noqa: F401 (checks register themselves)

        for probe in (health.database, health.migrations):
            register(probe)
