"""Free ports on loopback, and whether a program answers on one."""

import contextlib
import http.client
import socket
from collections.abc import Iterable

LOOPBACK = "127.0.0.1"
CONNECT_TIMEOUT_SECONDS = 1.0
HTTP_TIMEOUT_SECONDS = 2.0


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


def answers(port: int) -> bool:
    """Return whether a TCP connection to `port` on loopback is accepted."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=CONNECT_TIMEOUT_SECONDS):
            return True
    except OSError:
        return False


def answers_http(port: int, path: str) -> bool:
    """Return whether a GET of `path` from `port` on loopback is answered with 200."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=HTTP_TIMEOUT_SECONDS)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
