"""Registration of this room with Django."""

from django.apps import AppConfig


class MetricsConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.metrics"
