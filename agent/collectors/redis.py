"""Collector of Redis, by INFO: memory, clients, persistence, replication.

Each sample opens its own connection, with a parser of the protocol in a few lines: the library
would cost the agent 8 MB of memory for one command.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import closing
from urllib.parse import SplitResult, unquote, urlsplit

from agent import clock
from agent.collectors.base import Collector
from agent.config import Config, Secret
from agent.errors import CollectError, SourceAbsent
from agent.parsers import redis
from agent.samples import RedisSample

PORT = 6379
# For connecting, logging in and the response together.
DEADLINE_S = 5.0
MAX_ANSWER_BYTES = 1_000_000
MAX_LINE_BYTES = 4096
_RECEIVE_BYTES = 65_536
RIGHTS = "ACL SETUSER mallard on >password +ping +info"


class RedisCollector(Collector):
    """Collects from one Redis."""

    name = "redis"

    def __init__(self, config: Config) -> None:
        self._node = config.node_id
        self._url = config.discovery.redis_url

    def collect(self) -> bytes:
        """Return one sample as JSON. Raises CollectError, SourceAbsent on a refused connection."""
        info = query(self._url, "INFO")
        try:
            readings = redis.parse_info(info)
        except ValueError as error:
            raise CollectError(f"Redis's INFO cannot be read: {error}") from error
        return self._encode(RedisSample, redis=readings)


def query(url: Secret, command: str) -> str:
    """Return the reply to one command without arguments. Raises CollectError, SourceAbsent on a
    refused connection."""
    if not url:
        raise SourceAbsent("it is disabled: redis_url of [discovery] is empty")
    parts = urlsplit(url.reveal())
    try:
        connection = _connect(parts)
    except (ConnectionRefusedError, FileNotFoundError) as error:
        raise SourceAbsent(f"Redis does not listen at {_address(parts)}") from error
    except OSError as error:
        raise CollectError(f"Redis at {_address(parts)}: {_short(error)}") from error
    with closing(connection):
        exchange = _Exchange(connection)
        try:
            if parts.password:
                user = [unquote(parts.username)] if parts.username else []
                _check(exchange.send("AUTH", *user, unquote(parts.password)), parts)
            return _check(exchange.send(command), parts)
        except (OSError, ValueError) as error:
            raise CollectError(f"Redis at {_address(parts)}: {_short(error)}") from error


class _Refusal(str):
    """An error reply."""

    __slots__ = ()


class _Exchange:
    """Commands and replies over one connection, within one deadline."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._end_s = clock.monotonic_s() + DEADLINE_S
        self._buffer = b""

    def send(self, *words: str) -> str:
        """Return the reply, a _Refusal for an error. Raises OSError, ValueError for a reply that is
        not of this protocol."""
        raw = [word.encode() for word in words]
        parts = [b"*%d\r\n" % len(raw), *(b"$%d\r\n%s\r\n" % (len(word), word) for word in raw)]
        self._connection.settimeout(self._left_s())
        self._connection.sendall(b"".join(parts))
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode("utf-8", "replace")
        if kind == b"-":
            return _Refusal(rest.decode("utf-8", "replace"))
        if kind == b"$" and rest.isdigit() and int(rest) <= MAX_ANSWER_BYTES:
            return self._take(int(rest) + 2)[:-2].decode("utf-8", "replace")
        raise ValueError("the program that responds is not Redis")

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            if len(self._buffer) > MAX_LINE_BYTES:
                raise ValueError("the program that responds is not Redis")
            self._receive()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._receive()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _receive(self) -> None:
        self._connection.settimeout(self._left_s())
        part = self._connection.recv(_RECEIVE_BYTES)
        if not part:
            raise ConnectionResetError("it closed the connection")
        self._buffer += part

    def _left_s(self) -> float:
        left_s = self._end_s - clock.monotonic_s()
        if left_s <= 0:
            raise TimeoutError("no complete reply in time")
        return left_s


def _connect(parts: SplitResult) -> socket.socket:
    if parts.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(DEADLINE_S)
            connection.connect(unquote(parts.path))
        except BaseException:
            connection.close()
            raise
        return connection
    host = parts.hostname or "127.0.0.1"
    plain = socket.create_connection((host, parts.port or PORT), timeout=DEADLINE_S)
    if parts.scheme != "rediss":
        return plain
    try:
        return ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


def _check(answer: str, parts: SplitResult) -> str:
    if not isinstance(answer, _Refusal):
        return answer
    fix = ""
    match answer.partition(" ")[0]:
        case "NOAUTH":
            fix = " Put user and password into redis_url of [discovery]."
        case "WRONGPASS":
            fix = " Correct user and password in redis_url of [discovery]."
        case "NOPERM":
            fix = f" Give the user the right to it: {RIGHTS}."
    raise CollectError(f"Redis at {_address(parts)} refuses: {answer[:120].rstrip('.')}.{fix}")


def _address(parts: SplitResult) -> str:
    """Return the address without user and password."""
    if parts.scheme == "unix":
        return parts.path
    return f"{parts.hostname}:{parts.port or PORT}"


def _short(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no complete reply in time"
    return str(getattr(error, "strerror", None) or error)[:200]
