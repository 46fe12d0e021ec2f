"""Checks whether ports accept connections, by connecting to all at once, for 3 s at most.

Sources: the listening addresses in /proc/net/tcp and tcp6; for a port without one (a forwarded port
of a container) the loopback address.
"""

import errno
import ipaddress
import selectors
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from agent import clock

TIMEOUT_S = 3.0
# A silent port is searched at other addresses this often.
REREAD_INTERVAL_S = 60.0
LISTEN = "0A"  # include/net/tcp_states.h
LOOPBACK = "127.0.0.1"
_LOCAL_COLUMN, _STATE_COLUMN = 1, 3
_MAX_ADDRESSES = 3


def parse_listening(*tables: str) -> dict[int, list[str]]:
    """Return the listening addresses of each port in texts of /proc/net/tcp or tcp6; the
    unspecified address becomes the loopback one."""
    addresses: dict[int, list[str]] = {}
    for table in tables:
        for line in table.splitlines()[1:]:
            columns = line.split(maxsplit=_STATE_COLUMN + 1)
            if len(columns) <= _STATE_COLUMN or columns[_STATE_COLUMN] != LISTEN:
                continue
            address, _, port = columns[_LOCAL_COLUMN].partition(":")
            try:
                addresses.setdefault(int(port, 16), []).append(_address(address))
            except ValueError:
                continue  # a kernel with another format of this table
    return addresses


def _address(text: str) -> str:
    # Words of four bytes in the processor's order, little-endian on x86.
    words = [bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(words))
    if address.is_unspecified:
        return LOOPBACK if address.version == 4 else "::1"  # noqa: PLR2004 (IPv4)
    return str(address)


def start_connecting(address: str, port: int) -> socket.socket | None:
    """Return a socket that connects without blocking, None when it cannot."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError:
        return None
    if connection.connect_ex((address, port)) in (0, errno.EINPROGRESS):
        return connection
    connection.close()
    return None


class PortCheck:
    """One round of checks: started by the constructor, completed by `finish`."""

    def __init__(self, ports: Iterable[int], addresses: Mapping[int, list[str]]) -> None:
        self.answers: dict[int, bool] = {}
        self._selector = selectors.DefaultSelector()
        self._end_s = clock.monotonic_s() + TIMEOUT_S
        for port in ports:
            self.answers[port] = False
            for address in addresses.get(port, [LOOPBACK])[:_MAX_ADDRESSES]:
                if attempt := start_connecting(address, port):
                    self._selector.register(attempt, selectors.EVENT_WRITE, (port, attempt))

    def finish(self) -> dict[int, bool]:
        """Return whether each port accepted a connection, at the latest 3 s after the start."""
        while self._selector.get_map():
            ready = self._selector.select(max(0.0, self._end_s - clock.monotonic_s()))
            if not ready and clock.monotonic_s() >= self._end_s:
                break
            for key, _ in ready:
                port, attempt = key.data
                if attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    self.answers[port] = True
                self._hang_up(attempt)
        for key in list(self._selector.get_map().values()):
            self._hang_up(key.data[1])
        self._selector.close()
        return self.answers

    def _hang_up(self, attempt: socket.socket) -> None:
        self._selector.unregister(attempt)
        attempt.close()


class PortWatch:
    """Checks ports round by round. Reads their addresses from the kernel's tables only when a port
    no longer accepts: with thousands of connections that costs the kernel milliseconds."""

    def __init__(self, *, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._addresses: dict[int, list[str]] = {}
        self._read_at_s = float("-inf")

    def begin(self, ports: Iterable[int]) -> PortCheck:
        """Start a round, to be passed to `finish`."""
        if self._read_at_s == float("-inf"):
            self._read()
        return PortCheck(ports, self._addresses)

    def finish(self, round_: PortCheck) -> dict[int, bool]:
        """Return whether each port accepted a connection."""
        answers = round_.finish()
        silent = [port for port, answer in answers.items() if not answer]
        if silent and clock.monotonic_s() - self._read_at_s >= REREAD_INTERVAL_S:
            before = {port: self._addresses.get(port) for port in silent}
            self._read()
            moved = [port for port in silent if self._addresses.get(port) != before[port]]
            answers |= PortCheck(moved, self._addresses).finish()
        return answers

    def _read(self) -> None:
        self._addresses = read_listening(self._proc)
        self._read_at_s = clock.monotonic_s()


def read_listening(proc: Path) -> dict[int, list[str]]:
    """Return the listening addresses of each port. The kernel takes milliseconds for them."""
    return parse_listening(*(read_or_empty(proc / "net" / name) for name in ("tcp", "tcp6")))


def read_or_empty(path: Path) -> str:
    """Return a file of the kernel; empty without IPv6, or in a container that hides it."""
    try:
        return path.read_text()
    except OSError:
        return ""
