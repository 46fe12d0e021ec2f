"""Statistics of the requests to the server: counts, durations, clock skew."""

import threading
from collections import deque
from datetime import datetime, timedelta
from typing import Any

import msgspec

from agent import clock
from agent.wire import FailingSends

MAX_TIMES = 200
MAX_MEASUREMENTS = 60
PERCENTILE = 0.95
# The Date header has whole seconds: the server's clock was at most this much further.
DATE_STEP = timedelta(seconds=1)
# Measurements of one steady clock may contradict each other by as much: clocks are slewed.
MAX_SLEW = timedelta(milliseconds=50)


class Skew:
    """How far this node's clock is ahead of the server's, from `Date` headers.

    Each response gives a range that is one second plus its own duration wide; the true skew lies
    where the ranges overlap. Ranges that do not overlap mean that a clock was set: only the newest
    is kept. Safe to share between threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ranges: deque[tuple[timedelta, timedelta]] = deque(maxlen=MAX_MEASUREMENTS)
        self._offset_ms = 0  # of this clock at the newest measurement

    def add(self, server_at: datetime, *, sent_at: datetime, answered_at: datetime) -> None:
        """Add one response: its `Date`, and by this clock the times of request and response."""
        if answered_at < sent_at:
            return  # this clock was set back meanwhile
        newest = sent_at - server_at - DATE_STEP, answered_at - server_at
        with self._lock:
            self._offset_ms = clock.offset_ms()
            self._ranges.append(newest)
            low, high = self._overlap()
            if low > high + MAX_SLEW:
                self._ranges.clear()
                self._ranges.append(newest)

    def ahead(self) -> timedelta | None:
        """Return the smallest skew that explains all measurements, negative when this clock is
        behind; None before the first response with a Date."""
        with self._lock:
            if not self._ranges:
                return None
            low, high = self._overlap()
        return max(min(timedelta(0), high), low)

    def ahead_ms_at(self, offset_ms: int) -> int | None:
        """Return the same, for this clock as it is at `offset_ms`: it may have been set since the
        newest measurement."""
        ahead = self.ahead()
        if ahead is None:
            return None
        return round(ahead.total_seconds() * 1000) + offset_ms - self._offset_ms

    def _overlap(self) -> tuple[timedelta, timedelta]:
        return max(low for low, _ in self._ranges), min(high for _, high in self._ranges)


class TransportStats:
    """Safe to share between threads."""

    def __init__(self) -> None:
        self.sends_total = 0
        self.failures_total = 0  # of those, not accepted or without a response
        self._lock = threading.Lock()
        self._times_ms: deque[float] = deque(maxlen=MAX_TIMES)
        self._failing: dict[str, FailingSends] = {}  # by path
        self._last_failure: FailingSends | None = None
        self.skew = Skew()

    def record_send(self, duration_ms: float, *, accepted: bool) -> None:
        with self._lock:
            self.sends_total += 1
            self.failures_total += not accepted
            self._times_ms.append(duration_ms)

    def note_outcome(self, path: str, failure: FailingSends | None) -> None:
        """Remember why the last requests to a path failed, until one is accepted."""
        with self._lock:
            before = self._failing.pop(path, None)
            if failure is None:
                return
            if before is not None:
                count, since_at = before.count + 1, before.since_at
                failure = msgspec.structs.replace(failure, count=count, since_at=since_at)
            self._failing[path] = self._last_failure = failure

    def counts(self) -> tuple[int, int]:
        """Return how many requests were accepted, and how many were not."""
        with self._lock:
            return self.sends_total - self.failures_total, self.failures_total

    def last_reason(self) -> str:
        """Return why the last request that failed did; empty before one."""
        with self._lock:
            return self._last_failure.reason if self._last_failure else ""

    def sends(self) -> dict[str, Any]:
        """Return counts of requests since the start, those that fail now, and the last that did."""
        with self._lock:
            return {
                "sends_total": self.sends_total,
                "send_failures_total": self.failures_total,
                "failing": list(self._failing.values()),
                "last_failure": self._last_failure,
            }

    def health(self) -> dict[str, Any]:
        """Return them as fields of AgentReadings: the 95th percentile is of the last POSTs."""
        with self._lock:
            times = sorted(self._times_ms)
        ahead = self.skew.ahead()
        p95_place = min(int(len(times) * PERCENTILE), len(times) - 1)
        return {
            "sends_total": self.sends_total,
            "send_failures_total": self.failures_total,
            "send_p95_ms": times[p95_place] if times else None,
            "clock_skew_ms": None if ahead is None else round(ahead.total_seconds() * 1000, 1),
        }
