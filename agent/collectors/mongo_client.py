"""MongoDB client of the collectors. pymongo takes 10 MB, so it is imported by the first use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agent import __version__
from agent.config import Secret
from agent.errors import CollectError, certificate_fix

if TYPE_CHECKING:
    from pymongo import MongoClient


class LazyMongoClient:
    """Opened by `get`, again after `close`. Used by one thread."""

    def __init__(
        self, uri: Secret, *, timeout_ms: int, socket_timeout_ms: int, **options: Any
    ) -> None:
        self._uri = uri
        self._options: dict[str, Any] = {
            "appname": f"mallard-agent/{__version__}",
            "tz_aware": True,
            "serverSelectionTimeoutMS": timeout_ms,
            "connectTimeoutMS": timeout_ms,
            "socketTimeoutMS": socket_timeout_ms,
            "maxPoolSize": 1,
            # The default heartbeat every ten seconds would cost more than all readings.
            "heartbeatFrequencyMS": 60_000,
            "serverMonitoringMode": "poll",
            # The primary is for mail; a reading may come from any member.
            "readPreference": "secondaryPreferred",
        } | options
        self._client: MongoClient[dict[str, Any]] | None = None

    @property
    def is_open(self) -> bool:
        """Whether `get` was called since the last `close`."""
        return self._client is not None

    def get(self) -> MongoClient[dict[str, Any]]:
        """Return the client. It connects when used."""
        if self._client is None:
            from pymongo import MongoClient  # noqa: PLC0415

            self._client = MongoClient(self._uri.reveal(), **self._options)
        return self._client

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


@contextmanager
def translate_errors(problem: str) -> Iterator[None]:
    """Raise CollectError, "problem: message", instead of any error of pymongo."""
    from bson.errors import BSONError  # noqa: PLC0415
    from pymongo.errors import PyMongoError  # noqa: PLC0415

    try:
        yield
    except (PyMongoError, BSONError) as error:
        fix = certificate_fix(str(error))
        raise CollectError(f"{problem}: {shorten(error)}{fix}") from error


def shorten(error: Exception) -> str:
    """Return pymongo's message without its details."""
    text = str(error)
    for detail in (", full error", ", Timeout:", " (configured timeouts"):
        text = text.partition(detail)[0]
    return text[:200]
