"""App of the demo."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Installed by local settings alone."""

    name = "server.demo"
