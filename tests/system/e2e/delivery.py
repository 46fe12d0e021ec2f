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

    def list_waiting(self, share: float = 1.0) -> list[str]:
        """Return what keeps `share` of the items from being handed out, and with 1 from being
        handed in."""
        left, alive = len(self._left), sum(thread.is_alive() for thread in self._threads)
        if left > (1.0 - share) * self._count:
            return [f"{left} of {self._count} messages to be handed out"]
        return [f"{alive} connections that hand in"] if share == 1.0 and alive else []

    def _iterate(self) -> Iterator[Item]:
        with contextlib.suppress(IndexError):  # none is left
            while True:
                yield self._left.popleft()
