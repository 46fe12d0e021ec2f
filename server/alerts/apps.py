"""Registration of this app with Django."""

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.alerts"
    label = "alerts"

    def ready(self) -> None:
        from server.alerts import health
        from server.alerts.blocks import records
        from server.alerts.evaluator import store
        from server.alerts.notifications import addresses  # noqa: F401 (its check registers itself)
        from server.observability.health import register as register_probe
        from server.observability.metrics import register as register_source
        from server.timescale import retention

        register_probe(health.alerts)
        for source in (health.rounds, health.open_alerts):
            register_source(source)
        retention.register("alerts and incidents", store.delete_old)
        retention.register("blocks", records.delete_old)
