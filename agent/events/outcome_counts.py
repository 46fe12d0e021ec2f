"""Captured outcomes of each type by the second in which they happened. In memory: the counters they
are compared with (a mail program's own) do not outlive a restart either."""

import threading
from collections import Counter
from datetime import datetime

# The latest; two hours and a half at one outcome a second.
MAX_SECONDS = 9_000


class OutcomeCounts:
    """Filled by whatever stores events, read by the reconciliation's thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[int, Counter[str]] = {}

    def add(self, event_type: str, at: datetime, count: int = 1) -> None:
        """Count events that happened at a time; less than 0 takes inferred ones back."""
        second = int(at.timestamp())
        with self._lock:
            self._seconds.setdefault(second, Counter())[event_type] += count
            if len(self._seconds) > MAX_SECONDS:
                del self._seconds[min(self._seconds)]

    def between(self, begin: datetime, end: datetime) -> Counter[str]:
        """Return the counts from `begin` on, up to the second of `end`, not included."""
        first, last = int(begin.timestamp()), int(end.timestamp())
        total: Counter[str] = Counter()
        with self._lock:
            for second, counts in self._seconds.items():
                if first <= second < last:
                    total.update(counts)
        return total
