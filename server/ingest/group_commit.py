"""Group commit: appends of several threads at the same moment share one round trip.

Each append waits until Redis has it on disk. Eight threads that call by themselves cost eight round
trips and wake Redis eight times; in a group they cost one. A lone thread calls at once.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _Submission(Generic[Item]):
    """One thread's item until it is answered, and the lock that wakes that thread."""

    __slots__ = ("answer", "error", "is_done", "item", "woken")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.answer = 0
        self.error: Exception | None = None
        self.is_done = False
        #: Held until the item is answered, or its thread is to make the next call.
        self.woken = threading.Lock()
        self.woken.acquire()


class GroupCommit(Generic[Item]):
    """Calls `send` with the items of all waiting threads, one call at a time.

    `send` returns an answer for each item, in order. It must have a deadline of its own, which
    bounds every wait here: for the call under way and those before it. An error of a call is raised
    for every item in it. `max_bytes` bounds one call, but for its first item; `size_of`: the bytes
    of one.
    """

    def __init__(
        self,
        send: Callable[[Sequence[Item]], Sequence[int]],
        *,
        max_bytes: int,
        size_of: Callable[[Item], int],
    ) -> None:
        self._send = send
        self._max_bytes, self._size_of = max_bytes, size_of
        self._waiting: deque[_Submission[Item]] = deque()
        self._is_calling = False
        self._gate = threading.Lock()

    def submit(self, item: Item) -> int:
        """Return the answer to `item`, sent by this thread or by another one of its group.

        Raises what `send` raises.
        """
        mine = _Submission(item)
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
        """Send the waiting items, this thread's first; then let the next thread do the same."""
        with self._gate:
            group = self._take_group()
        try:
            answers = self._send([each.item for each in group])
            for each, answer in zip(group, answers, strict=True):
                each.answer = answer
        except Exception as error:  # noqa: BLE001 (raised in each thread of the group)
            for each in group:
                each.error = error
        finally:
            for each in group:
                each.is_done = True
            with self._gate:
                following = self._waiting[0] if self._waiting else None
                self._is_calling = following is not None
            # The thread that makes the next call is woken first: the others only write answers.
            for waiting in ([following] if following else []) + group[1:]:
                waiting.woken.release()

    def _take_group(self) -> list[_Submission[Item]]:
        """Take the waiting items in order, up to `max_bytes`."""
        group = [self._waiting.popleft()]
        size = self._size_of(group[0].item)
        while self._waiting:
            size += self._size_of(self._waiting[0].item)
            if size > self._max_bytes:
                break
            group.append(self._waiting.popleft())
        return group
