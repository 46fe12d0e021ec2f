"""Registration of this app with Django."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.api"
    label = "api"
