"""Periodic threads of each worker process."""

import logging
from math import inf
from threading import Event, Thread
from time import monotonic

import redis
from django.db import close_old_connections, connection
from dramatiq import Broker, Worker
from dramatiq.errors import BrokerError
from dramatiq.middleware import Middleware

from server.observability import beats
from server.observability.beats import Task

logger = logging.getLogger(__name__)

STOP_WITHIN_S = 2.0
#: Waits after an error: each is twice the one before.
MIN_WAIT_AFTER_ERROR_S, MAX_WAIT_AFTER_ERROR_S = 2.0, 30.0


class PeriodicThread(Middleware):
    """A thread of the worker process: started when it has booted, stopped before it shuts down.

    A subclass gives `name`, `every_s` and `work`. Whatever `work` raises is logged and counted,
    and it runs again. The thread's connection to the database is kept as that of a request is;
    after an error it is not used again.
    """

    name: str
    every_s: float

    def __init__(self) -> None:
        self._stop = Event()
        self._thread: Thread | None = None
        self._written_at = -inf

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
        task = Task(self.name, self.every_s)
        wait_s, error_wait_s = 0.0, MIN_WAIT_AFTER_ERROR_S
        while not self._stop.wait(wait_s):
            had_failed = bool(task.error)
            self._run_once(broker, task)
            if task.error:
                wait_s = max(self.every_s, error_wait_s)
                error_wait_s = min(2 * error_wait_s, MAX_WAIT_AFTER_ERROR_S)
            else:
                wait_s, error_wait_s = self.every_s, MIN_WAIT_AFTER_ERROR_S
            self._write_beat(task, at_once=had_failed != bool(task.error))

    def _run_once(self, broker: Broker, task: Task) -> None:
        try:
            close_old_connections()
            self.work(broker)
            task.done()
        except (redis.RedisError, BrokerError) as error:
            logger.warning("%s: %s", self.name, error)
            task.failed(error)
        except Exception as error:
            logger.exception("%s failed, running it again", self.name)
            task.failed(error)
        if task.error:
            connection.close()

    def _write_beat(self, task: Task, *, at_once: bool) -> None:
        if not at_once and monotonic() - self._written_at < beats.WRITE_EVERY_S:
            return
        try:
            if self._written_at == -inf:
                beats.forget_old(task)
            beats.write(task)
        except Exception as error:  # noqa: BLE001 (the beat is then late, which is seen)
            logger.warning("%s: its beat is not written: %s", self.name, error)
        self._written_at = monotonic()
