"""Registration of this app with Django."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Generated history for the demo and for tests; installed by local settings alone."""

    name = "server.demo"
