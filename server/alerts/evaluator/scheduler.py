"""Scheduler of the evaluator: a thread in each worker process, of which one runs each round."""

from math import inf
from time import monotonic

from django.conf import settings
from dramatiq import Broker

from server.worker_threads import PeriodicThread

#: By name: actors are imported after this middleware.
SENDER, WATCHDOG = "send_notifications", "ping_watchdog"
PINGED_EVERY_S = 60.0


class AlertEvaluator(PeriodicThread):
    """Runs a round when it is due. Looks more often, so that the next takes over from one that
    died within a round's time."""

    name = "alert-evaluator"
    every_s = 5.0

    def __init__(self) -> None:
        super().__init__()
        self._pinged_s: dict[str, float] = {}

    def work(self, broker: Broker) -> None:
        """Run a round if it is due."""
        # Django's apps are not there yet when the broker is set up.
        from server.alerts.evaluator.rounds import run_if_due  # noqa: PLC0415

        try:
            finished = run_if_due()
        except Exception:
            self._ping(broker, "fail")
            raise
        if finished:
            self._ping(broker, "success")
            if finished.notifications_count:
                broker.get_actor(SENDER).send()

    def _ping(self, broker: Broker, signal: str) -> None:
        """Let the dead man's switch be told, once a minute of each signal at most."""
        now_s = monotonic()
        if settings.WATCHDOG_URL and now_s - self._pinged_s.get(signal, -inf) >= PINGED_EVERY_S:
            self._pinged_s[signal] = now_s
            broker.get_actor(WATCHDOG).send(signal)
