"""Registration of this app with Django."""

from django.apps import AppConfig


class MailQueuesConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.mailqueues"
    label = "mailqueues"
