"""Sender of datagrams to the Graylog that they went to before."""

import socket

from agent import clock

# A name is looked up again after this; after a failure, sooner.
RESOLVE_S = 300.0
RETRY_S = 30.0


class Relay:
    """Sends without waiting. Used by one thread. `target`: host and port; None: nowhere."""

    def __init__(self, target: tuple[str, int] | None) -> None:
        self._target = target
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._address: tuple[str, int] | None = None
        self._due_s = float("-inf")

    def send(self, datagram: bytes) -> bool:
        """Return whether it was sent, or need not be; one without an address is not. Raises
        OSError."""
        if self._target is None:
            return True
        if clock.monotonic_s() >= self._due_s:
            self._resolve(*self._target)
        if self._address is None:
            return False
        self._socket.sendto(datagram, self._address)
        return True

    def close(self) -> None:
        self._socket.close()

    def _resolve(self, host: str, port: int) -> None:
        # Not by sendto, which would look up the name of each datagram.
        self._due_s = clock.monotonic_s() + RETRY_S
        host_by_number = socket.gethostbyname(host)
        self._address = host_by_number, port
        self._due_s = clock.monotonic_s() + RESOLVE_S
