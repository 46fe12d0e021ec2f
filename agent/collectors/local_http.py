"""Asks a program of this node over HTTP: a bound on every wait, on the whole, on what is read."""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent import __version__, clock
from agent.errors import CollectError, SourceAbsent

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

CONNECT_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 5.0
# From the request to the last byte: a byte now and then does not keep a collector waiting.
DEADLINE_S = 10.0
READ_STEP_BYTES = 65_536
LARGEST_ANSWER_BYTES = 4_000_000
OK = 200


@dataclass(frozen=True)
class Answer:
    """What was answered. `server`: what the program says it is."""

    status: int
    body: bytes
    server: str = ""


class _Until(io.RawIOBase):
    """What comes over a connection until a time is over, in whichever pieces: each wait is bounded,
    and all of them together, those for the header too."""

    def __init__(self, raw: io.RawIOBase, connection: socket.socket) -> None:
        self._raw = raw
        self._connection = connection
        self._end_s = clock.monotonic_s() + DEADLINE_S

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Wait for the next bytes. Raises TimeoutError."""
        left_s = self._end_s - clock.monotonic_s()
        if left_s <= 0:
            raise TimeoutError("the whole answer takes too long")
        self._connection.settimeout(min(left_s, READ_TIMEOUT_S))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Let go of the connection."""
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        raw: Any = self.fp.detach()
        self.fp = io.BufferedReader(_Until(raw, sock))


class LocalHttp:
    """Asks one program. Used by one thread."""

    def __init__(self, url: str, *, what: str, headers: Mapping[str, str] | None = None) -> None:
        self.url = url.rstrip("/")
        self._what = what
        self._headers = {"User-Agent": f"mallard-agent/{__version__}", **(headers or {})}
        self._pool: PoolManager | None = None

    def get(self, path: str) -> bytes:
        """Return the body of a 200. Raises SourceAbsent when nobody listens, else CollectError."""
        answer = self.ask(path)
        if answer.status != OK:
            shown = f"{self.url}{path.partition('?')[0]}"
            raise CollectError(f"{shown} answered {answer.status}: is it {self._what}?")
        return answer.body

    def ask(self, path: str) -> Answer:
        """Return the answer, whatever its status. Raises SourceAbsent when nobody listens,
        CollectError when there is no whole answer in time."""
        from urllib3 import exceptions  # noqa: PLC0415

        shown = f"{self.url}{path.partition('?')[0]}"
        try:
            response = self._opened().request(
                "GET", self.url + path, headers=self._headers, redirect=False, preload_content=False
            )
            try:
                body = self._read(response, shown)
            except BaseException:
                response.close()
                raise
            finally:
                response.release_conn()
        except exceptions.NewConnectionError as error:
            raise SourceAbsent(f"{self._what} does not listen at {self.url}") from error
        except exceptions.TimeoutError as error:
            raise CollectError(f"{shown} does not answer, or not to the end in time") from error
        except (exceptions.HTTPError, OSError) as error:
            raise CollectError(f"{shown}: {str(error)[:200]}") from error
        return Answer(response.status, body, response.headers.get("Server", "")[:64])

    def close(self) -> None:
        """Close kept connections."""
        if self._pool is not None:
            self._pool.clear()

    def _read(self, response: BaseHTTPResponse, shown: str) -> bytes:
        parts: list[bytes] = []
        size = 0
        while part := response.read1(READ_STEP_BYTES):
            parts.append(part)
            size += len(part)
            if size > LARGEST_ANSWER_BYTES:
                raise CollectError(f"{shown} answered more than {LARGEST_ANSWER_BYTES} bytes")
        return b"".join(parts)

    def _opened(self) -> PoolManager:
        if self._pool is None:
            import urllib3  # noqa: PLC0415

            timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S)
            self._pool = urllib3.PoolManager(num_pools=1, retries=False, timeout=timeout)
            self._pool.pool_classes_by_scheme = {
                scheme: _timed(base) for scheme, base in self._pool.pool_classes_by_scheme.items()
            }
        return self._pool


def _timed(pool: Any) -> Any:
    """Return the class of connections' pool with a deadline for each answer."""
    base = pool.ConnectionCls
    connection = type(base.__name__, (base,), {"response_class": _Response})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})
