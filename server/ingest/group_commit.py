"""Group commit: what several threads want appended at the same moment goes in one round trip.

Each append waits until Redis has it on disk. Eight threads that each ask by themselves cost eight
round trips and wake Redis eight times; together they cost one (docs/performance.md says what that
gave). A thread that comes alone goes at once.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence


class _Waiting:
    """One thread's item until it is answered, and what wakes that thread."""

    __slots__ = ("answer", "error", "is_done", "item", "woken")

    def __init__(self, item: bytes) -> None:
        self.item = item
        self.answer = 0
        self.error: Exception | None = None
        self.is_done = False
        #: Held until the item is answered, or its thread is to make the next call.
        self.woken = threading.Lock()
        self.woken.acquire()


class Together:
    """Calls `send` with the items of all threads that wait, one call at a time.

    `send` returns an answer for each item, in order. It must have a deadline of its own, which is
    what bounds every wait here: for the call under way and those of who came before. An error of a
    call is that of every item in it. `most_bytes` bounds what one call carries, but for its first
    item.
    """

    def __init__(
        self, send: Callable[[Sequence[bytes]], Sequence[int]], *, most_bytes: int
    ) -> None:
        self._send = send
        self._most_bytes = most_bytes
        self._waiting: deque[_Waiting] = deque()
        self._is_calling = False
        self._gate = threading.Lock()

    def ask(self, item: bytes) -> int:
        """Return the answer to `item`, sent by this thread or by another that waited with it.

        Raises what `send` raises.
        """
        mine = _Waiting(item)
        with self._gate:
            self._waiting.append(mine)
            is_first, self._is_calling = not self._is_calling, True
        if not is_first:
            mine.woken.acquire()
        if not mine.is_done:
            self._call()
        if mine.error is not None:
            raise mine.error
        return mine.answer

    def _call(self) -> None:
        """Send what waits, this thread's item first; then let the next who waits do the same."""
        with self._gate:
            group = self._taken()
        try:
            answers = self._send([each.item for each in group])
            for each, answer in zip(group, answers, strict=True):
                each.answer = answer
        except Exception as error:  # noqa: BLE001 (raised by each of the threads that wait for it)
            for each in group:
                each.error = error
        finally:
            for each in group:
                each.is_done = True
            with self._gate:
                following = self._waiting[0] if self._waiting else None
                self._is_calling = following is not None
            # Who makes the next call is woken first: the others only have answers to write.
            for waiting in ([following] if following else []) + group[1:]:
                waiting.woken.release()

    def _taken(self) -> list[_Waiting]:
        """Take what waits, in its order."""
        group = [self._waiting.popleft()]
        size = len(group[0].item)
        while self._waiting and size + len(self._waiting[0].item) <= self._most_bytes:
            group.append(self._waiting.popleft())
            size += len(group[-1].item)
        return group
