"""Runs each collector in its own thread at its own interval. Samples go to the spool, so that a
slow server never delays a reading, and a failing collector only itself."""

import logging
import random
import threading
from collections.abc import Callable
from datetime import datetime

from agent import clock
from agent.collectors import Collector
from agent.errors import CollectError, SourceAbsent, SpoolError
from agent.logs import Repeats
from agent.parsers.values import text
from agent.samples import SourceHealth

logger = logging.getLogger(__name__)

JITTER_RATIO = 0.05
# What a run may take before it is called a failure. Every wait of a collector is bounded by itself;
# this is what is said of one that hangs in the kernel all the same.
DEADLINE_S = 60.0
LONGEST_ERROR = 200


class Source:
    """One collector's thread. `run` begins after `first_after_s` and ends when `stop` is set."""

    def __init__(
        self,
        collector: Collector,
        sink: Callable[[bytes], None],
        *,
        interval_s: float,
        first_after_s: float = 0.0,
    ) -> None:
        self.name = f"collect-{collector.name}"
        self.runs = 0  # since the start, those of an absent program included
        self.failures = 0
        self.absent = False  # in its last run its program was not there
        self.missed = 0  # runs left out because the one before was still going
        self._collector = collector
        self._sink = sink
        self._interval_s = interval_s
        self._first_after_s = first_after_s
        self._repeats = Repeats(logger)
        self._watched = Repeats(logger)  # by another thread
        self._began_s: float | None = None  # of the run that goes on
        self._last_ms: float | None = None
        self._max_ms: float | None = None
        self._last_error: str | None = None
        self._succeeded_at: datetime | None = None

    def run(self, stop: threading.Event) -> None:
        """Collect now and then every interval, counted from the first, not from each end."""
        stop.wait(self._first_after_s)
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
        began_s = self._began_s = clock.monotonic_s()
        error = self._attempt()
        self._began_s = None
        took_ms = round((clock.monotonic_s() - began_s) * 1000, 1)
        self.runs += 1
        self._last_ms, self._max_ms = took_ms, max(took_ms, self._max_ms or 0.0)
        self._last_error = text(error, limit=LONGEST_ERROR)
        if not error:
            self._succeeded_at = clock.utc_now()

    def health(self) -> SourceHealth:
        """Return how it went so far. Called from another thread: one run may be half counted."""
        error, stuck_s = self._last_error, self.stuck_s()
        if stuck_s is not None:
            error = f"has been collecting for {stuck_s:.0f} s and does not come back"
        return SourceHealth(
            name=self._collector.name,
            is_on=not self.absent,
            interval_s=self._interval_s,
            runs_total=self.runs,
            failures_total=self.failures,
            missed_total=self.missed,
            last_ms=self._last_ms,
            max_ms=self._max_ms,
            last_error=error,
            succeeded_at=self._succeeded_at,
        )

    def stuck_s(self) -> float | None:
        """Return for how long the run under way goes on, when that is past its deadline; else None.
        For any thread."""
        began_s = self._began_s
        running_s = 0.0 if began_s is None else clock.monotonic_s() - began_s
        return running_s if running_s > DEADLINE_S else None

    def mind(self) -> None:
        """Say it when the run under way does not come back: its own thread cannot."""
        name, stuck_s = self._collector.name, self.stuck_s()
        if stuck_s is None:
            self._watched.over("Collecting %s came back.", name)
        else:
            self._watched.warn(
                "stuck",
                "Collecting %s has been going on for %.0f s and does not come back: its program, a"
                " disk or a file system hangs (dmesg). The other sources go on without it.",
                name,
                stuck_s,
            )

    def _attempt(self) -> str | None:
        """Collect and hand over; return why there is no sample, None when there is."""
        name = self._collector.name
        try:
            self._sink(self._collector.collect())
        except SourceAbsent as error:
            if not self.absent:
                logger.info("%s is not collected while it is away: %s", name, error)
            self.absent = True
            return str(error)
        except (CollectError, OSError) as error:
            reason: str | None = str(error)
            self._repeats.warn("failed", "Collecting %s failed: %s", name, error)
        except SpoolError as error:
            reason = str(error)
            self._repeats.warn("spool", "A sample of %s was lost: %s", name, error)
        except Exception as error:
            # A program that answers in a way nobody foresaw must not end its thread, nor show only
            # in the log.
            reason = f"unforeseen: {error!r}"
            if text(reason, limit=LONGEST_ERROR) != self._last_error:
                logger.exception("Collecting %s failed in a way nobody foresaw.", name)
        else:
            reason = None
            if self.absent:
                logger.info("%s has appeared and is collected.", name)
            self._repeats.over("Collecting %s works again.", name)
        self.absent = False
        self.failures += reason is not None
        return reason
