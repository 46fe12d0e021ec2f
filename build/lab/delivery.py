"""Items shared among threads: messages handed in over several connections at once."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
CONNECTIONS = 4
DELIVERED_WITHIN_S = 600.0
POLL_S = 2.0


def wait(
    condition: Callable[[], bool], *, within_s: float = DELIVERED_WITHIN_S, poll_s: float = POLL_S
) -> None:
    """Return when it holds or time is over; what is compared then shows what is missing."""
    deadline = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(poll_s)


class Delivery(Generic[Item]):
    """Starts threads that run `work`, each on an iterator over the items that are left."""

    def __init__(self, items: Sequence[Item], work: Callable[[Iterator[Item]], None]) -> None:
        self._items = list(reversed(items))
        self._count = len(items)
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=work, args=[self._iterate()], daemon=True)
            for _ in range(CONNECTIONS)
        ]
        for thread in self._threads:
            thread.start()

    def has_reached(self, share: float) -> bool:
        """Return whether so much of the items is handed out."""
        return len(self._items) <= (1.0 - share) * self._count

    def is_over(self) -> bool:
        """Return whether all threads have ended."""
        return not any(thread.is_alive() for thread in self._threads)

    def _iterate(self) -> Iterator[Item]:
        while True:
            with self._lock:
                if not self._items:
                    return
                item = self._items.pop()
            yield item
