"""Free ports on loopback, and whether a program answers on one."""

import contextlib
import http.client
import socket
from collections.abc import Iterable
from pathlib import Path

LOOPBACK = "127.0.0.1"
TIMEOUT_SECONDS = 2.0


def free_ports(count: int) -> list[int]:
    """Return `count` different ports that nothing listens on now.

    The kernel picks them, so two runs that start together seldom meet; a program that loses the
    race names that in its log and its start fails.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [int(each.getsockname()[1]) for each in sockets]


def free_port(preferred: Iterable[int] = ()) -> int:
    """Return the first free port of `preferred`, else any free one."""
    for port in preferred:
        with socket.socket() as probe, contextlib.suppress(OSError):
            # As servers do, so that a port in TIME_WAIT after a restart counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, port))
            return port
    return free_ports(1)[0]


def answers(address: int | Path, *, send: bytes = b"", greeting: bytes = b"") -> bool:
    """Return whether a port on loopback or a Unix socket accepts connections and, where a
    `greeting` is given, begins with it once it got `send`."""
    is_unix = isinstance(address, Path)
    with socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET) as probe:
        probe.settimeout(TIMEOUT_SECONDS)
        try:
            probe.connect(str(address) if is_unix else (LOOPBACK, address))
            probe.sendall(send)
            return probe.recv(len(greeting)) == greeting
        except OSError:
            return False


def answers_http(port: int, path: str) -> bool:
    """Return whether a GET of `path` from `port` on loopback is answered with 200."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT_SECONDS)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
