"""Messages shared among threads, which hand them in over several connections at once."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
CONNECTIONS = 4


class Delivery(Generic[Item]):
    """Starts threads that run `work`, each on an iterator over the items that are left."""

    def __init__(self, items: Iterable[Item], work: Callable[[Iterator[Item]], None]) -> None:
        self._left = deque(items)
        self._count = len(self._left)
        self._threads = [
            threading.Thread(target=work, args=[self._iterate()], daemon=True)
            for _ in range(CONNECTIONS)
        ]
        for thread in self._threads:
            thread.start()

    def has_reached(self, share: float) -> bool:
        """Return whether so much of the items is handed out."""
        return len(self._left) <= (1.0 - share) * self._count

    def is_over(self) -> bool:
        """Return whether all threads have ended."""
        return not any(thread.is_alive() for thread in self._threads)

    def _iterate(self) -> Iterator[Item]:
        with contextlib.suppress(IndexError):  # none is left
            while True:
                yield self._left.popleft()
