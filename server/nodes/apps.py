"""Registration of this app with Django."""

from django.apps import AppConfig


class NodesConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.nodes"

    def ready(self) -> None:
        from server.nodes import metrics
        from server.observability.metrics import register

        register(metrics.nodes)
