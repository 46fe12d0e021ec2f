"""Reads the greetings of local ports, all at once, within one deadline."""

import selectors
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress

from agent import clock
from agent.collectors.ports import LOOPBACK, start_connecting

# As for a connection. A Haraka that delays its greeting for longer, to catch clients that talk
# early, is known by its process.
DEADLINE_S = 3.0
MAX_GREETING_BYTES = 512


class _Pending:
    def __init__(self, port: int, connection: socket.socket) -> None:
        self.port = port
        self.connection = connection
        self.received = b""


def read_greetings(ports: Iterable[int], addresses: Mapping[int, list[str]]) -> dict[int, str]:
    """Return the first line that each port sends by itself; a silent port has none. `addresses`: of
    each port's listening sockets, where known."""
    lines: dict[int, str] = {}
    end_s = clock.monotonic_s() + DEADLINE_S
    with selectors.DefaultSelector() as selector:
        for port in ports:
            if connection := start_connecting(addresses.get(port, [LOOPBACK])[0], port):
                selector.register(connection, selectors.EVENT_READ, _Pending(port, connection))
        while selector.get_map() and (left_s := end_s - clock.monotonic_s()) > 0:
            for key, _ in selector.select(left_s):
                pending: _Pending = key.data
                line = _receive(pending)
                if line is not None:
                    lines[pending.port] = line
                    _hang_up(selector, pending)
        for key in list(selector.get_map().values()):
            _hang_up(selector, key.data)
    return {port: line for port, line in lines.items() if line}


def _receive(pending: _Pending) -> str | None:
    """Return the line, empty when there will be none, None while it is incomplete."""
    try:
        part = pending.connection.recv(MAX_GREETING_BYTES)
    except BlockingIOError:
        return None
    except OSError:
        return ""
    pending.received += part
    line, end, _ = pending.received.partition(b"\n")
    if end or len(pending.received) >= MAX_GREETING_BYTES:
        return line.rstrip(b"\r")[:MAX_GREETING_BYTES].decode("utf-8", "replace")
    return None if part else ""


def _hang_up(selector: selectors.BaseSelector, pending: _Pending) -> None:
    selector.unregister(pending.connection)
    with suppress(OSError):
        # The program would log a client that hangs up without QUIT.
        if pending.received.startswith(b"220"):
            pending.connection.send(b"QUIT\r\n")
    pending.connection.close()
