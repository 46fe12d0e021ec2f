"""Registration of this app with Django."""

from django.apps import AppConfig


class IngestConfig(AppConfig):
    """See the package's docstring for what belongs here."""

    name = "server.ingest"

    def ready(self) -> None:
        from server.ingest import (
            checks,  # noqa: F401 (checks register themselves)
            dead_letters,
            health,
            metrics,
        )
        from server.observability import beats
        from server.observability.backlog import use_reader
        from server.observability.health import register as register_probe
        from server.observability.metrics import register as register_source
        from server.timescale import retention

        for probe in (health.redis_databases, health.inbox, health.worker, beats.tasks):
            register_probe(probe)
        use_reader(health.read_backlog)
        sources = (metrics.inboxes, metrics.dead_letters, metrics.event_ids, metrics.workers)
        for source in (*sources, beats.failures):
            register_source(source)
        retention.register("dead letters", dead_letters.delete_old)
