"""A thread of each worker process that does something every so often."""

import logging
from threading import Event, Thread

import redis
from dramatiq import Broker, Worker
from dramatiq.errors import BrokerError
from dramatiq.middleware import Middleware

logger = logging.getLogger(__name__)

STOP_WITHIN_S = 2.0
#: The least wait after Redis or the broker did not answer.
WAIT_AFTER_ERROR_S = 2.0


class Periodic(Middleware):
    """Owned by the worker process: started when it has booted, stopped before it shuts down.

    A subclass gives `name`, `every_s` and `work`. Redis and broker errors of `work` are logged and
    it is tried again.
    """

    name: str
    every_s: float

    def __init__(self) -> None:
        self._stop = Event()
        self._thread: Thread | None = None

    def work(self, broker: Broker) -> None:
        """Do it once."""
        raise NotImplementedError

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Start the thread."""
        self._thread = Thread(target=self._run, args=(broker,), name=self.name, daemon=True)
        self._thread.start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Stop within STOP_WITHIN_S."""
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
                wait_s = max(wait_s, WAIT_AFTER_ERROR_S)
