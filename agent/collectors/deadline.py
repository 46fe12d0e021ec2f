"""Reader of a connection until a deadline."""

import io
import socket
from typing import Any

from agent import clock


class DeadlineReader(io.RawIOBase):
    """Bounds each wait, and all of them together, counted from its creation."""

    def __init__(
        self, raw: io.RawIOBase, connection: socket.socket, *, deadline_s: float, wait_s: float
    ) -> None:
        self._raw = raw
        self._connection = connection
        self._end_s = clock.monotonic_s() + deadline_s
        self._wait_s = wait_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Wait for the next bytes. Raises TimeoutError."""
        left_s = self._end_s - clock.monotonic_s()
        if left_s <= 0:
            raise TimeoutError("the response takes too long")
        self._connection.settimeout(min(left_s, self._wait_s))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
