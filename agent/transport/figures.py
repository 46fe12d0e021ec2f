"""What became of the POSTs since the agent began: for its own health sample, and for the log."""

import threading
from collections import deque
from datetime import datetime, timedelta

KEPT_TIMES = 200
KEPT_SIGHTS = 60
PERCENTILE = 0.95
# The Date header has whole seconds: the server's clock was at most this much further.
DATE_STEP = timedelta(seconds=1)
# Two sights of one steady clock may contradict each other by as much: clocks are slewed.
STEADY = timedelta(milliseconds=50)


class Skew:
    """How far this node's clock is ahead of the server's, from `Date` headers.

    Each answer gives a range a second and its own duration wide; the ranges of several answers
    overlap in the truth. A contradiction means that a clock was set: what was known is forgotten.
    """

    def __init__(self) -> None:
        self._sights: deque[tuple[timedelta, timedelta]] = deque(maxlen=KEPT_SIGHTS)

    def see(self, server_at: datetime, *, sent_at: datetime, answered_at: datetime) -> None:
        """Take one answer: when it was asked for and there, by this clock, and its `Date`."""
        if answered_at < sent_at:
            return  # this clock was set back in between
        self._sights.append((sent_at - server_at - DATE_STEP, answered_at - server_at))
        low, high = self._overlap()
        if low > high + STEADY:
            newest = self._sights[-1]
            self._sights.clear()
            self._sights.append(newest)

    def ahead(self) -> timedelta | None:
        """Return the least difference that explains what was seen, negative when this clock is
        behind; None before the first answer with a Date."""
        if not self._sights:
            return None
        low, high = self._overlap()
        return max(min(timedelta(0), high), low)

    def _overlap(self) -> tuple[timedelta, timedelta]:
        return max(low for low, _ in self._sights), min(high for _, high in self._sights)


class Figures:
    """Safe to share between threads."""

    def __init__(self) -> None:
        self.sends_total = 0
        self.failures_total = 0  # of those, what the server did not take or did not answer
        self._lock = threading.Lock()
        self._times_ms: deque[float] = deque(maxlen=KEPT_TIMES)
        self._skew = Skew()

    def note(self, took_ms: float, *, taken: bool) -> None:
        """Count one POST and its duration."""
        with self._lock:
            self.sends_total += 1
            self.failures_total += not taken
            self._times_ms.append(took_ms)

    def see_clock(self, server_at: datetime, *, sent_at: datetime, answered_at: datetime) -> None:
        """Compare clocks; see Skew."""
        with self._lock:
            self._skew.see(server_at, sent_at=sent_at, answered_at=answered_at)

    @property
    def p95_ms(self) -> float | None:
        """The duration 95 of 100 of the last POSTs stay below; None before the first."""
        with self._lock:
            times = sorted(self._times_ms)
        return times[min(int(len(times) * PERCENTILE), len(times) - 1)] if times else None

    @property
    def clock_ahead(self) -> timedelta | None:
        """How far this clock is ahead of the server's; see Skew.ahead."""
        with self._lock:
            return self._skew.ahead()

    @property
    def clock_skew_ms(self) -> float | None:
        """The same in milliseconds."""
        ahead = self.clock_ahead
        return None if ahead is None else round(ahead.total_seconds() * 1000, 1)
