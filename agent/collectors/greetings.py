"""Hears how the ports of this machine greet, all at once, within one deadline."""

import errno
import selectors
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress

from agent import clock

LOOPBACK = "127.0.0.1"
# As long as a port is given to take a connection. A Haraka that lets clients wait longer, to see
# whether they talk before they were greeted, is known by its process.
DEADLINE_S = 3.0
LONGEST_GREETING_BYTES = 512


class _Call:
    def __init__(self, port: int, connection: socket.socket) -> None:
        self.port = port
        self.connection = connection
        self.heard = b""


def greetings(ports: Iterable[int], where: Mapping[int, list[str]]) -> dict[int, str]:
    """Return the first line each port says by itself; a port that says nothing has none. `where`:
    the addresses it is listened on, where known."""
    found: dict[int, str] = {}
    end_s = clock.monotonic_s() + DEADLINE_S
    with selectors.DefaultSelector() as selector:
        for port in ports:
            _call(selector, port, where.get(port, [LOOPBACK])[0])
        while selector.get_map() and (left_s := end_s - clock.monotonic_s()) > 0:
            for key, _ in selector.select(left_s):
                call: _Call = key.data
                line = _hear(call)
                if line is not None:
                    found[call.port] = line
                    _end(selector, call)
        for key in list(selector.get_map().values()):
            _end(selector, key.data)
    return {port: line for port, line in found.items() if line}


def _call(selector: selectors.BaseSelector, port: int, address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError:
        return
    if connection.connect_ex((address, port)) in (0, errno.EINPROGRESS):
        selector.register(connection, selectors.EVENT_READ, _Call(port, connection))
    else:
        connection.close()


def _hear(call: _Call) -> str | None:
    """Return the whole line, empty when there will be none, None while it is not complete."""
    try:
        part = call.connection.recv(LONGEST_GREETING_BYTES)
    except BlockingIOError:
        return None
    except OSError:
        return ""
    call.heard += part
    line, end, _ = call.heard.partition(b"\n")
    if end or len(call.heard) >= LONGEST_GREETING_BYTES:
        return line.rstrip(b"\r")[:LONGEST_GREETING_BYTES].decode("utf-8", "replace")
    return None if part else ""


def _end(selector: selectors.BaseSelector, call: _Call) -> None:
    selector.unregister(call.connection)
    with suppress(OSError):
        # One who only listened and hung up would stand in the program's log.
        if call.heard.startswith(b"220"):
            call.connection.send(b"QUIT\r\n")
    call.connection.close()
