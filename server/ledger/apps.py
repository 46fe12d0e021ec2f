"""Registration of this app with Django."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.ledger"
    label = "ledger"
