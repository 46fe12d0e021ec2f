"""Registration of this app with Django."""

from django.apps import AppConfig


class RollupsConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.rollups"

    def ready(self) -> None:
        from server.observability.metrics import register
        from server.rollups import checks, metrics  # noqa: F401
        from server.rollups.mail import replies
        from server.timescale import retention

        retention.register("replies", replies.delete_old)
        register(metrics.unnamed_events)
