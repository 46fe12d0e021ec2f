"""Items shared among threads: messages handed in over several connections at once."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
CONNECTIONS = 4


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

    @property
    def done_ratio(self) -> float:
        """The share of the items that are handed out."""
        return 1.0 - len(self._items) / self._count

    @property
    def is_over(self) -> bool:
        """Whether all threads have ended."""
        return not any(thread.is_alive() for thread in self._threads)

    def join(self, *, within_s: float) -> None:
        """Wait for the threads."""
        for thread in self._threads:
            thread.join(within_s)

    def _iterate(self) -> Iterator[Item]:
        while True:
            with self._lock:
                if not self._items:
                    return
                item = self._items.pop()
            yield item
