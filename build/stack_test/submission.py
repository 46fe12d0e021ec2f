"""Hands messages in over several connections at once; what breaks off is handed in again."""

import smtplib
import threading
from collections.abc import Sequence

from build.stack import feeder
from build.stack.feeder import Message
from build.stack.ports import LOOPBACK
from build.stack_test.outbound import Handed, again

CONNECTIONS = 4
TIMEOUT_S = 60
TRIES = 60
WAIT_S = 1.0


class Submission:
    """All messages, in so many threads. `handed` and `refused` are read when it is over."""

    def __init__(self, port: int, messages: Sequence[Message]) -> None:
        self.handed: list[Handed] = []
        self.refused: list[Message] = []  # ZoneMTA said no; handed in again under other names
        self.failed: list[Message] = []  # given up
        self._port = port
        self._todo = list(reversed(messages))
        self._count = len(messages)
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, daemon=True) for _ in range(CONNECTIONS)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    @property
    def done_ratio(self) -> float:
        """How much of it is handed in."""
        return 1.0 - len(self._todo) / self._count

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to hand in."""
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        connection: smtplib.SMTP | None = None
        while message := self._next():
            for turn in range(TRIES):
                try:
                    if connection is None:
                        connection = smtplib.SMTP(LOOPBACK, self._port, timeout=TIMEOUT_S)
                    receipt = feeder.submit(connection, message)
                except (smtplib.SMTPException, OSError):
                    if connection is not None:
                        connection.close()
                        # Whether it took the message nobody said.
                        self.handed.append(Handed(message, None))
                        message = again(message, turn)
                    connection = None
                    threading.Event().wait(WAIT_S)
                    continue
                if receipt.queue_id:
                    self.handed.append(Handed(message, receipt.queue_id))
                    break
                self.refused.append(message)
                message = again(message, turn)
                threading.Event().wait(WAIT_S)
            else:
                self.failed.append(message)
        if connection is not None:
            connection.close()

    def _next(self) -> Message | None:
        with self._lock:
            return self._todo.pop() if self._todo else None
