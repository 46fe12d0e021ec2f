"""Registration of this room with Django."""

from django.apps import AppConfig


class LiveConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.live"
    label = "live"

    def ready(self) -> None:
        """Register the figures."""
        from server.live import metrics
        from server.observability.metrics import register

        register(metrics.flow)
