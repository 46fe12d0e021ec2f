"""Collector of Redis, by INFO: memory, clients, persistence, replication.

Each sample opens its own connection, with a parser of the protocol in a few lines: the library
would cost the agent 8 MB of memory for one command.
"""

from __future__ import annotations

import io
import socket
import ssl
from contextlib import ExitStack, closing
from urllib.parse import SplitResult, unquote, urlsplit

from agent.collectors.base import Collector
from agent.collectors.deadline import DeadlineReader
from agent.config import Config, Secret
from agent.errors import CollectError, SourceAbsent, certificate_fix
from agent.parsers import redis

PORT = 6379
# For connecting, logging in and the response together.
DEADLINE_S = 5.0
MAX_ANSWER_BYTES = 1_000_000
MAX_LINE_BYTES = 4096
CLOSED = "it closed the connection"
RIGHTS = "ACL SETUSER mallard on >password +ping +info"


class RedisCollector(Collector):
    """Collects from one Redis."""

    name = "redis"

    def __init__(self, config: Config) -> None:
        self._node = config.node_id
        self._url = config.discovery.redis_url
        self._ca_file = config.discovery.ca_file

    def collect(self) -> bytes:
        info = query(self._url, "INFO", ca_file=self._ca_file)
        try:
            readings = redis.parse_info(info)
        except ValueError as error:
            raise CollectError(f"Redis's INFO cannot be read: {error}") from error
        return self._encode(redis=readings)


def query(url: Secret, command: str, *, ca_file: str = "") -> str:
    """Return the reply to one command without arguments. `ca_file`: the authorities of rediss://.
    Raises CollectError, SourceAbsent on a refused connection."""
    if not url:
        raise SourceAbsent("it is disabled: redis_url of [discovery] is empty")
    parts = urlsplit(url.reveal())
    try:
        connection = _connect(parts, ca_file)
    except (ConnectionRefusedError, FileNotFoundError) as error:
        raise SourceAbsent(f"Redis does not listen at {_address(parts)}") from error
    except OSError as error:
        raise CollectError(f"Redis at {_address(parts)}: {_short(error)}") from error
    with closing(connection), connection.makefile("rb", buffering=0) as raw:
        exchange = _Exchange(connection, raw)
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

    def __init__(self, connection: socket.socket, raw: io.RawIOBase) -> None:
        self._connection = connection
        reader = DeadlineReader(raw, connection, deadline_s=DEADLINE_S, wait_s=DEADLINE_S)
        self._reader = io.BufferedReader(reader)

    def send(self, *words: str) -> str:
        """Return the reply, a _Refusal for an error. Raises OSError, ValueError for a reply that is
        not of this protocol."""
        raw = [word.encode() for word in words]
        parts = [b"*%d\r\n" % len(raw), *(b"$%d\r\n%s\r\n" % (len(word), word) for word in raw)]
        self._connection.sendall(b"".join(parts))
        line = self._reader.readline(MAX_LINE_BYTES)
        if not line.endswith(b"\n") and len(line) < MAX_LINE_BYTES:
            raise ConnectionResetError(CLOSED)
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode("utf-8", "replace")
        if kind == b"-":
            return _Refusal(rest.decode("utf-8", "replace"))
        if kind == b"$" and rest.isdigit() and int(rest) <= MAX_ANSWER_BYTES:
            body = self._reader.read(int(rest) + 2)
            if len(body) < int(rest) + 2:
                raise ConnectionResetError(CLOSED)
            return body[:-2].decode("utf-8", "replace")
        raise ValueError("the program that responds is not Redis")


def _connect(parts: SplitResult, ca_file: str) -> socket.socket:
    with ExitStack() as on_error:
        if parts.scheme == "unix":
            connection = on_error.enter_context(socket.socket(socket.AF_UNIX))
            connection.settimeout(DEADLINE_S)
            connection.connect(unquote(parts.path))
        else:
            place = parts.hostname or "127.0.0.1", parts.port or PORT
            connection = on_error.enter_context(socket.create_connection(place, DEADLINE_S))
            if parts.scheme == "rediss":
                tls = ssl.create_default_context(cafile=ca_file or None)
                connection = tls.wrap_socket(connection, server_hostname=place[0])
        on_error.pop_all()
        return connection


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
    text = str(getattr(error, "strerror", None) or error)
    return f"{text[:200]}{certificate_fix(text)}"
