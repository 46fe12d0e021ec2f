"""Periodic threads of each worker process."""

import logging
from threading import Event, Thread

import redis
from dramatiq import Broker, Worker
from dramatiq.errors import BrokerError
from dramatiq.middleware import Middleware

logger = logging.getLogger(__name__)

STOP_WITHIN_S = 2.0
#: Wait after an error of Redis or the broker.
MIN_WAIT_AFTER_ERROR_S = 2.0


class PeriodicThread(Middleware):
    """A thread of the worker process: started when it has booted, stopped before it shuts down.

    A subclass gives `name`, `every_s` and `work`. Redis and broker errors of `work` are logged,
    and it runs again.
    """

    name: str
    every_s: float

    def __init__(self) -> None:
        self._stop = Event()
        self._thread: Thread | None = None

    def work(self, broker: Broker) -> None:
        """Run once."""
        raise NotImplementedError

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        self._thread = Thread(target=self._run, args=(broker,), name=self.name, daemon=True)
        self._thread.start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(STOP_WITHIN_S)

    def _run(self, broker: Broker) -> None:
        wait_s = 0.0
        while not self._stop.wait(wait_s):
            wait_s = self.every_s
            try:
                self.work(broker)
            except (redis.RedisError, BrokerError) as error:
                logger.warning("%s: %s", self.name, error)
                wait_s = max(wait_s, MIN_WAIT_AFTER_ERROR_S)
            except Exception:
                logger.exception("%s failed, running it again", self.name)
                wait_s = max(wait_s, MIN_WAIT_AFTER_ERROR_S)
