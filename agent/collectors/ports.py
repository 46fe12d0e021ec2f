"""Ports: does something take connections there? Asked by connecting, all at once, 3 s at most.

Sources: /proc/net/tcp and tcp6 say on which address a port is listened on; where they say nothing
(a forwarded port of a container) the loopback address is tried.
"""

import errno
import ipaddress
import selectors
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from agent import clock

TIMEOUT_S = 3.0
# A port that does not answer is looked for elsewhere this often.
LOOK_AGAIN_S = 60.0
LISTEN = "0A"  # include/net/tcp_states.h
LOOPBACK = "127.0.0.1"
_LOCAL_COLUMN, _STATE_COLUMN = 1, 3
_MOST_ADDRESSES = 3


def listening(*tables: str) -> dict[int, list[str]]:
    """Return the addresses each port is listened on, given texts of /proc/net/tcp or tcp6; the
    address that stands for all is the loopback one."""
    found: dict[int, list[str]] = {}
    for table in tables:
        for line in table.splitlines()[1:]:
            columns = line.split(maxsplit=_STATE_COLUMN + 1)
            if len(columns) <= _STATE_COLUMN or columns[_STATE_COLUMN] != LISTEN:
                continue
            address, _, port = columns[_LOCAL_COLUMN].partition(":")
            try:
                found.setdefault(int(port, 16), []).append(_address(address))
            except ValueError:
                continue  # a kernel that writes this table otherwise
    return found


def _address(text: str) -> str:
    # Words of four bytes, each as the processor keeps it: little end first on x86.
    words = [bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(words))
    if address.is_unspecified:
        return LOOPBACK if address.version == 4 else "::1"  # noqa: PLR2004 (IPv4)
    return str(address)


class PortCheck:
    """One round: begun at once, finished when somebody wants to know."""

    def __init__(self, ports: Iterable[int], where: Mapping[int, list[str]]) -> None:
        self.answers: dict[int, bool] = {}
        self._selector = selectors.DefaultSelector()
        self._end_s = clock.monotonic_s() + TIMEOUT_S
        for port in ports:
            self.answers[port] = False
            for address in where.get(port, [LOOPBACK])[:_MOST_ADDRESSES]:
                self._begin(port, address)

    def _begin(self, port: int, address: str) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            attempt = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError:
            return
        if attempt.connect_ex((address, port)) in (0, errno.EINPROGRESS):
            self._selector.register(attempt, selectors.EVENT_WRITE, port)
        else:
            attempt.close()

    def finish(self) -> dict[int, bool]:
        """Return which ports took the connection, at the latest 3 s after the beginning."""
        while self._selector.get_map():
            ready = self._selector.select(max(0.0, self._end_s - clock.monotonic_s()))
            if not ready and clock.monotonic_s() >= self._end_s:
                break
            for key, _ in ready:
                self._end(key)
        for key in list(self._selector.get_map().values()):
            self._selector.unregister(key.fileobj)
            _socket(key).close()
        self._selector.close()
        return self.answers

    def _end(self, key: selectors.SelectorKey) -> None:
        attempt = _socket(key)
        self._selector.unregister(attempt)
        if attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            self.answers[key.data] = True
        attempt.close()


def _socket(key: selectors.SelectorKey) -> socket.socket:
    found = key.fileobj
    if not isinstance(found, socket.socket):
        raise TypeError(found)  # nothing else is ever registered
    return found


class PortWatch:
    """Checks ports round by round. Where they are listened on is read from the kernel's tables only
    when a port does not answer where it did: with thousands of connections that costs the kernel
    milliseconds."""

    def __init__(self, *, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._where: dict[int, list[str]] = {}
        self._read_at_s = float("-inf")

    def begin(self, ports: Iterable[int]) -> PortCheck:
        """Begin a round, to be given to `finish`."""
        if self._read_at_s == float("-inf"):
            self._read()
        return PortCheck(ports, self._where)

    def finish(self, round_: PortCheck) -> dict[int, bool]:
        """Return which ports took the connection."""
        answers = round_.finish()
        silent = [port for port, answer in answers.items() if not answer]
        if silent and clock.monotonic_s() - self._read_at_s >= LOOK_AGAIN_S:
            before = {port: self._where.get(port) for port in silent}
            self._read()
            moved = [port for port in silent if self._where.get(port) != before[port]]
            answers |= PortCheck(moved, self._where).finish()
        return answers

    def _read(self) -> None:
        self._where = listening(*tables(self._proc))
        self._read_at_s = clock.monotonic_s()


def tables(proc: Path = Path("/proc")) -> tuple[str, ...]:
    """Return the texts of /proc/net/tcp and tcp6, empty where there is none. The kernel takes
    milliseconds to write them."""
    return tuple(_text(proc / "net" / name) for name in ("tcp", "tcp6"))


def check(ports: Iterable[int], *, known: tuple[str, ...] | None = None) -> PortCheck:
    """Begin one round. `known`: what `tables` returned a moment ago."""
    return PortCheck(ports, listening(*(tables() if known is None else known)))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # no IPv6, or a container that hides it
