"""HTTP client for programs of this node. Waits, total time and response size are bounded.
Certificates are verified: against `ca_file` alone where that is given, else the system's."""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent import __version__
from agent.collectors.deadline import DeadlineReader
from agent.errors import CollectError, SourceAbsent, certificate_fix

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

CONNECT_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 5.0
# From the request to the last byte, so that a trickling response does not delay a collector.
DEADLINE_S = 10.0
READ_STEP_BYTES = 65_536
MAX_ANSWER_BYTES = 4_000_000
OK = 200


@dataclass(frozen=True)
class Answer:
    """A response. `server`: its Server header."""

    status: int
    body: bytes
    server: str = ""


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        raw: Any = self.fp.detach()
        reader = DeadlineReader(raw, sock, deadline_s=DEADLINE_S, wait_s=READ_TIMEOUT_S)
        self.fp = io.BufferedReader(reader)


class LocalHttp:
    """Client of one program. Used by one thread."""

    def __init__(
        self, url: str, *, what: str, headers: Mapping[str, str] | None = None, ca_file: str = ""
    ) -> None:
        self.url = url.rstrip("/")
        self._ca_file = ca_file
        self._what = what
        self._headers = {"User-Agent": f"mallard-agent/{__version__}", **(headers or {})}
        self._pool: PoolManager | None = None

    def get(self, path: str) -> bytes:
        """Return the body of a 200. Raises SourceAbsent on a refused connection, else
        CollectError."""
        answer = self.request(path)
        if answer.status != OK:
            shown = f"{self.url}{path.partition('?')[0]}"
            raise CollectError(f"{shown} answered {answer.status}: is it {self._what}?")
        return answer.body

    def request(self, path: str) -> Answer:
        """Return the response, whatever its status. Raises SourceAbsent on a refused connection,
        CollectError without a complete response in time."""
        from urllib3 import exceptions  # noqa: PLC0415

        shown = f"{self.url}{path.partition('?')[0]}"
        try:
            # A connection whose response was read whole is in the pool again, any other is closed.
            with self._get_pool().request(
                "GET", self.url + path, headers=self._headers, redirect=False, preload_content=False
            ) as response:
                body = self._read(response, shown)
        except exceptions.NewConnectionError as error:
            raise SourceAbsent(f"{self._what} does not listen at {self.url}") from error
        except exceptions.TimeoutError as error:
            raise CollectError(f"{shown} gave no complete response in time") from error
        except (exceptions.HTTPError, OSError) as error:
            raise CollectError(
                f"{shown}: {str(error)[:200]}{certificate_fix(str(error))}"
            ) from error
        return Answer(response.status, body, response.headers.get("Server", "")[:64])

    def close(self) -> None:
        if self._pool is not None:
            self._pool.clear()

    def _read(self, response: BaseHTTPResponse, shown: str) -> bytes:
        parts: list[bytes] = []
        size = 0
        while part := response.read1(READ_STEP_BYTES):
            parts.append(part)
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                raise CollectError(f"{shown} answered more than {MAX_ANSWER_BYTES} bytes")
        return b"".join(parts)

    def _get_pool(self) -> PoolManager:
        if self._pool is None:
            import urllib3  # noqa: PLC0415

            timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S)
            self._pool = urllib3.PoolManager(
                num_pools=1, retries=False, timeout=timeout, ca_certs=self._ca_file or None
            )
            self._pool.pool_classes_by_scheme = {
                scheme: _add_deadline(pool_class)
                for scheme, pool_class in self._pool.pool_classes_by_scheme.items()
            }
        return self._pool


def _add_deadline(pool: Any) -> Any:
    """Return a pool class whose connections have a deadline for each response."""
    base = pool.ConnectionCls
    connection = type(base.__name__, (base,), {"response_class": _Response})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})
