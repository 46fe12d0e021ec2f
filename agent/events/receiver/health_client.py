"""Client of a receiver's health endpoint, over its socket as a plugin would use it."""

import socket
from pathlib import Path

import msgspec

from agent import clock
from agent.wire import FailingSends

TIMEOUT_S = 3.0
MAX_BYTES = 65_536
_REQUEST = b"GET /v1/health HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n"
_OK = b"HTTP/1.1 200 "


class Health(msgspec.Struct, frozen=True):
    """Health of a running agent. `stuck_s`: its threads that do not come back, and since how many
    seconds; the rest: its requests to the server, None of an older agent."""

    stuck_s: dict[str, float] = {}
    sends_total: int | None = None
    send_failures_total: int | None = None
    failing: list[FailingSends] = []
    last_failure: FailingSends | None = None


def read_health(path: Path) -> Health | None:
    """Return the health of the agent behind `path`, None when it is no agent or is too busy. Raises
    OSError when nothing listens or it does not answer in time."""
    head, _, body = _get(path).partition(b"\r\n\r\n")
    if not head.startswith(_OK):
        return None
    try:
        return msgspec.json.decode(body, type=Health)
    except msgspec.MsgspecError:
        return None


def _get(path: Path) -> bytes:
    end_s = clock.monotonic_s() + TIMEOUT_S
    answer = b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.connect(str(path))
        connection.sendall(_REQUEST)
        while part := connection.recv(MAX_BYTES):
            answer += part
            left_s = end_s - clock.monotonic_s()
            if left_s <= 0 or len(answer) > MAX_BYTES:
                raise TimeoutError("no complete answer in time")
            connection.settimeout(left_s)
    return answer
