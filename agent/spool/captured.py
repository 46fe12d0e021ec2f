"""How many outcomes of each type were captured, by the second in which they happened. In memory:
what it is held against (a mail program's own counters) does not outlive a restart either."""

import threading
from collections import Counter
from datetime import datetime

# Of so many seconds, the latest: two hours and a half at one a second.
MOST_SECONDS = 9_000


class Captured:
    """Counts. Filled by whatever spools events, read by the reconciliation's thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[int, Counter[str]] = {}

    def add(self, event_type: str, at: datetime, *, count: int = 1) -> None:
        """Count events that happened at a time; less than 0 takes back what was inferred."""
        second = int(at.timestamp())
        with self._lock:
            self._seconds.setdefault(second, Counter())[event_type] += count
            if len(self._seconds) > MOST_SECONDS:
                del self._seconds[min(self._seconds)]

    def between(self, begin: datetime, end: datetime) -> Counter[str]:
        """Return the counts from `begin` on, up to the second of `end`, not included."""
        first, last = int(begin.timestamp()), int(end.timestamp())
        found: Counter[str] = Counter()
        with self._lock:
            for second, counts in self._seconds.items():
                if first <= second < last:
                    found.update(counts)
        return found
