"""Scheduler of the evaluator: a thread in each worker process, of which one runs each round."""

from django.db import close_old_connections, connection
from dramatiq import Broker

from server.worker_threads import PeriodicThread


class AlertEvaluator(PeriodicThread):
    """Runs a round when it is due. Looks more often, so that the next takes over from one that
    died within a round's time."""

    name = "alert-evaluator"
    every_s = 5.0

    def work(self, broker: Broker) -> None:
        """Run a round if it is due. A connection that failed is not used again."""
        # Django's apps are not there yet when the broker is set up.
        from server.alerts.evaluator.rounds import run_if_due  # noqa: PLC0415

        close_old_connections()
        try:
            run_if_due()
        except Exception:
            connection.close()
            raise
