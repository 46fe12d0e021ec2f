"""Registration of this app with Django."""

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.alerts"
    label = "alerts"
