"""Registration of this app with Django."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.ledger"

    def ready(self) -> None:
        from server.ledger import snapshots, store
        from server.timescale import retention

        retention.register("epochs of the ledger", store.delete_old)
        retention.register("snapshots of the ledger", snapshots.renew)
