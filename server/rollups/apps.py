"""Registration of this app with Django."""

from django.apps import AppConfig


class RollupsConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.rollups"

    def ready(self) -> None:
        from server.rollups import checks  # noqa: F401
