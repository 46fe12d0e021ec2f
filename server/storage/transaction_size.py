"""Size of the writer's transactions: halved when one is slow or fails, doubled when quick."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from django.conf import settings

logger = logging.getLogger(__name__)

#: A transaction of the full size takes about a second. The actor is ended after a minute, and would
#: begin the same anew each time: long before, the size shrinks.
SLOW_S, QUICK_S = 5.0, 1.0
MAX_HALVINGS = 7


class TransactionSize:
    """The most events of one transaction, of one kind of batch, in this process."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._halvings = 0

    @property
    def max_events(self) -> int:
        """WRITER_MAX_EVENTS, or a part of it. A lone batch of more is stored all the same."""
        return max(1, int(settings.WRITER_MAX_EVENTS) >> self._halvings)

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Take the time of a transaction. One that ends by any exception counts as slow."""
        started, took_s = self._clock(), float("inf")
        try:
            yield
            took_s = self._clock() - started
        finally:
            if took_s > SLOW_S and self._halvings < MAX_HALVINGS:
                self._halvings += 1
                logger.warning("A transaction was slow: the next have %s events.", self.max_events)
            elif took_s < QUICK_S and self._halvings:
                self._halvings -= 1
