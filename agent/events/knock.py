"""Asks a receiver whether it lives, as a plugin would."""

import socket
from pathlib import Path

TIMEOUT_S = 3.0
_REQUEST = b"GET /v1/health HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n"


def answers(path: Path) -> bool:
    """Return whether what listens at `path` answers as a receiver does. Raises OSError when nothing
    listens or nothing is said in time."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.connect(str(path))
        connection.sendall(_REQUEST)
        return connection.recv(64).startswith(b"HTTP/1.1 200 ")
