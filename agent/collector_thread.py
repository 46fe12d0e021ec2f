"""A thread per collector, each at its own interval. Samples go to the spool, so that a slow server
never delays a reading and a failing collector delays only itself."""

import logging
import random
import threading
from collections.abc import Callable

from msgspec.structs import replace

from agent import clock
from agent.collectors import Collector
from agent.errors import CollectError, SourceAbsent, SpoolError
from agent.logs import RateLimitedLog
from agent.parsers.values import text
from agent.samples import SourceHealth

logger = logging.getLogger(__name__)

JITTER_RATIO = 0.05
# A longer run counts as stuck. Collectors bound each of their waits themselves; this catches one
# that hangs in the kernel all the same.
MAX_RUN_S = 60.0
MAX_ERROR_CHARS = 200


class CollectorThread:
    """One collector. `run` begins after `first_after_s` and ends when `stop` is set."""

    def __init__(
        self,
        collector: Collector,
        sink: Callable[[bytes], None],
        *,
        interval_s: float,
        first_after_s: float = 0.0,
    ) -> None:
        self.name = f"collect-{collector.name}"
        self._collector = collector
        self._sink = sink
        self._interval_s = interval_s
        self._first_after_s = first_after_s
        self._warnings = RateLimitedLog(logger)
        self._stuck_warnings = RateLimitedLog(logger)  # from another thread
        self._began_s: float | None = None  # of the present run
        # Replaced as a whole: other threads read it.
        self._health = SourceHealth(name=collector.name, interval_s=interval_s)

    def run(self, stop: threading.Event) -> None:
        """Collect once, then every interval, counted from the first start, not from each end."""
        stop.wait(self._first_after_s)
        due_s = clock.monotonic_s()
        while not stop.is_set():
            self.run_once()
            now_s = clock.monotonic_s()
            late = int((now_s - due_s) // self._interval_s)
            if late:
                missed = self._health.missed_total + late
                self._health = replace(self._health, missed_total=missed)
                self._warnings.warn(
                    "slow",
                    "Collecting %s takes longer than its interval of %g s.",
                    self._collector.name,
                    self._interval_s,
                )
            due_s += self._interval_s * (late + 1)
            jitter_s = self._interval_s * JITTER_RATIO * random.random()  # noqa: S311 (no secret)
            stop.wait(max(0.0, due_s - now_s) + jitter_s)
        self._collector.close()

    def run_once(self) -> None:
        began_s = self._began_s = clock.monotonic_s()
        reason = self._attempt()
        self._began_s = None
        duration_ms = round((clock.monotonic_s() - began_s) * 1000, 1)
        before = self._health
        self._health = replace(
            before,
            runs_total=before.runs_total + 1,
            unreadable_total=getattr(self._collector, "unreadable_total", 0),
            last_ms=duration_ms,
            max_ms=max(duration_ms, before.max_ms or 0.0),
            last_error=text(reason, limit=MAX_ERROR_CHARS),
            succeeded_at=before.succeeded_at if reason else clock.utc_now(),
        )

    def health(self) -> SourceHealth:
        """Return counts and times of the runs so far. For any thread: a run may be half counted."""
        health, stuck_s = self._health, self.stuck_s()
        if stuck_s is None:
            return health
        return replace(health, last_error=f"stuck: has been collecting for {stuck_s:.0f} s")

    def stuck_s(self) -> float | None:
        """Return the age of the present run once past MAX_RUN_S, else None. For any thread."""
        began_s = self._began_s
        running_s = 0.0 if began_s is None else clock.monotonic_s() - began_s
        return running_s if running_s > MAX_RUN_S else None

    def report_if_stuck(self) -> None:
        """Log when the present run is stuck. For another thread: its own cannot."""
        name, stuck_s = self._collector.name, self.stuck_s()
        if stuck_s is None:
            self._stuck_warnings.resolve("Collecting %s is no longer stuck.", name)
        else:
            self._stuck_warnings.warn(
                "stuck",
                "Collecting %s has been stuck for %.0f s: its program, a disk or a file system"
                " hangs (dmesg). The other collectors continue.",
                name,
                stuck_s,
            )

    def _attempt(self) -> str | None:
        """Collect and store; return why there is no sample, None when there is one."""
        name = self._collector.name
        try:
            self._sink(self._collector.collect())
        except SourceAbsent as error:
            if self._health.is_on:
                logger.info("%s is not collected while it is absent: %s", name, error)
            self._health = replace(self._health, is_on=False)
            return str(error)
        except (CollectError, OSError) as error:
            reason: str | None = str(error)
            self._warnings.warn("failed", "Collecting %s failed: %s", name, error)
        except SpoolError as error:
            reason = str(error)
            self._warnings.warn("spool", "A sample of %s was lost: %s", name, error)
        except Exception as error:
            # An unexpected response of a program must not end the thread, nor show only in the log.
            reason = f"unexpected error: {error!r}"
            if text(reason, limit=MAX_ERROR_CHARS) != self._health.last_error:
                logger.exception("Collecting %s failed with an unexpected error.", name)
        else:
            reason = None
            if not self._health.is_on:
                logger.info("%s is present and collected.", name)
            self._warnings.resolve("Collecting %s works again.", name)
        failures = self._health.failures_total + (reason is not None)
        self._health = replace(self._health, is_on=True, failures_total=failures)
        return reason
