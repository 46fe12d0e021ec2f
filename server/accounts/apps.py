"""Registration of this app with Django."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.accounts"

    def ready(self) -> None:
        """Keep the groups of the roles in step with roles.py, and delete old records of logins."""
        from server.accounts import logins, roles
        from server.timescale import retention

        retention.register("records of logins and sessions", logins.delete_old)
        post_migrate.connect(roles.ensure_groups, sender=self, dispatch_uid="accounts-roles")
