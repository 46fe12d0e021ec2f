"""Registration of this app with Django."""

from django.apps import AppConfig


class ProfilesConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.profiles"

    def ready(self) -> None:
        from server.profiles import accounts, sending_ips
        from server.timescale import retention

        retention.register("sending IPs", sending_ips.delete_old)
        retention.register("account names", accounts.delete_old)
