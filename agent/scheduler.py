"""Runs each collector in its own thread at its own interval. Samples go to the spool, so that a
slow server never delays a reading, and a failing collector only itself."""

import logging
import random
import threading
from collections.abc import Callable

from agent import clock
from agent.collectors import Collector
from agent.errors import CollectError, SourceAbsent, SpoolError
from agent.logs import Repeats

logger = logging.getLogger(__name__)

JITTER_RATIO = 0.05


class Source:
    """One collector's thread. `run` returns when `stop` is set."""

    def __init__(
        self, collector: Collector, sink: Callable[[bytes], None], *, interval_s: float
    ) -> None:
        self.name = f"collect-{collector.name}"
        self.failures = 0  # since the start
        self.absent = False  # in its last run its program was not there
        self.missed = 0  # runs left out because the one before was still going
        self._collector = collector
        self._sink = sink
        self._interval_s = interval_s
        self._repeats = Repeats(logger)

    def run(self, stop: threading.Event) -> None:
        """Collect now and then every interval, counted from the first, not from each end."""
        due_s = clock.monotonic_s()
        while not stop.is_set():
            self.run_once()
            now_s = clock.monotonic_s()
            late = int((now_s - due_s) // self._interval_s)
            if late:
                self.missed += late
                self._repeats.warn(
                    "slow",
                    "Collecting %s took longer than its interval of %g s.",
                    self._collector.name,
                    self._interval_s,
                )
            due_s += self._interval_s * (late + 1)
            jitter_s = self._interval_s * JITTER_RATIO * random.random()  # noqa: S311 (no secret)
            stop.wait(max(0.0, due_s - now_s) + jitter_s)
        self._collector.close()

    def run_once(self) -> None:
        """Collect once and hand the sample over."""
        try:
            self._sink(self._collector.collect())
        except SourceAbsent as error:
            if not self.absent:
                logger.info("%s is not collected while it is away: %s", self._collector.name, error)
            self.absent = True
            return
        except (CollectError, OSError) as error:
            self.failures += 1
            self._repeats.warn("failed", "Collecting %s failed: %s", self._collector.name, error)
        except SpoolError as error:
            self.failures += 1
            self._repeats.warn("spool", "A sample of %s was lost: %s", self._collector.name, error)
        else:
            if self.absent:
                logger.info("%s has appeared and is collected.", self._collector.name)
            self._repeats.over("Collecting %s works again.", self._collector.name)
        self.absent = False
