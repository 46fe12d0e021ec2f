"""Registration of this app with Django."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Generated history, its command and its banner; installed by local settings alone."""

    name = "server.demo"
