"""Registration of this app with Django."""

from django.apps import AppConfig


class LiveConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.live"

    def ready(self) -> None:
        from server.live import metrics
        from server.observability.metrics import register

        register(metrics.flow)
