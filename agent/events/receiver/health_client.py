"""Asks a receiver whether it lives, as a plugin would."""

import socket
from pathlib import Path

import msgspec

from agent import clock

TIMEOUT_S = 3.0
LARGEST_BYTES = 65_536
_REQUEST = b"GET /v1/health HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n"


class Said(msgspec.Struct, frozen=True):
    """What an agent says of itself. `stuck_s`: its threads that do not come back, and since how
    many seconds."""

    stuck_s: dict[str, float] = {}


def answers(path: Path) -> bool:
    """Return whether what listens at `path` answers as a receiver does. Raises OSError when nothing
    listens or nothing is said in time."""
    return _answer(path).startswith(b"HTTP/1.1 200 ")


def ask(path: Path) -> Said | None:
    """Return what the agent behind `path` says of itself, None when it is none. Raises OSError as
    `answers`."""
    head, _, body = _answer(path).partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        return None
    try:
        return msgspec.json.decode(body, type=Said)
    except msgspec.MsgspecError:
        return None


def _answer(path: Path) -> bytes:
    end_s = clock.monotonic_s() + TIMEOUT_S
    found = b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.connect(str(path))
        connection.sendall(_REQUEST)
        while part := connection.recv(LARGEST_BYTES):
            found += part
            left_s = end_s - clock.monotonic_s()
            if left_s <= 0 or len(found) > LARGEST_BYTES:
                raise TimeoutError("no whole answer in time")
            connection.settimeout(left_s)
    return found
