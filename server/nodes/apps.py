"""Registration of this room with Django."""

from django.apps import AppConfig


class NodesConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.nodes"
    label = "nodes"

    def ready(self) -> None:
        """Register the figures."""
        from server.figures import register
        from server.nodes import figures

        register(figures.nodes)
