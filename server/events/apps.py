"""Registration of this app with Django."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.events"
    label = "events"
