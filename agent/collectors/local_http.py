"""Asks a program of this node over HTTP: a bound on every wait and on what is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent import __version__
from agent.errors import CollectError, SourceAbsent

if TYPE_CHECKING:
    from urllib3 import PoolManager

CONNECT_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 5.0
LARGEST_ANSWER_BYTES = 4_000_000
OK = 200


class LocalHttp:
    """Asks one program. Used by one thread."""

    def __init__(self, url: str, *, what: str) -> None:
        self._url = url.rstrip("/")
        self._what = what
        self._pool: PoolManager | None = None

    def get(self, path: str) -> bytes:
        """Return the body of a 200. Raises SourceAbsent when nobody listens, else CollectError."""
        from urllib3 import exceptions  # noqa: PLC0415

        url = self._url + path
        headers = {"User-Agent": f"mallard-agent/{__version__}"}
        try:
            response = self._opened().request(
                "GET", url, headers=headers, redirect=False, preload_content=False
            )
            try:
                body = response.read(LARGEST_ANSWER_BYTES)
                whole = not response.length_remaining
            finally:
                response.close()
                response.release_conn()
        except exceptions.NewConnectionError as error:
            raise SourceAbsent(f"{self._what} does not listen at {self._url}") from error
        except (exceptions.HTTPError, OSError) as error:
            raise CollectError(f"{url}: {str(error)[:200]}") from error
        if response.status != OK or not whole:
            raise CollectError(f"{url} answered {response.status}: is it {self._what}?")
        return body

    def close(self) -> None:
        """Close kept connections."""
        if self._pool is not None:
            self._pool.clear()

    def _opened(self) -> PoolManager:
        if self._pool is None:
            import urllib3  # noqa: PLC0415

            timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S)
            self._pool = urllib3.PoolManager(num_pools=1, retries=False, timeout=timeout)
        return self._pool
