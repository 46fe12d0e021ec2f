"""Thread that follows one change stream, whatever MongoDB does (down, electing, no replica set, no
rights, oplog too short): it logs one line with the fix, waits, and tries again; no other part of
the agent notices."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from agent import clock
from agent.config import Secret
from agent.errors import SpoolError
from agent.events.change_stream import database
from agent.events.change_stream.clients import SharedClients
from agent.logs import RateLimitedLog
from agent.samples import SourceHealth

if TYPE_CHECKING:
    from pymongo.database import Database

logger = logging.getLogger(__name__)

FIRST_WAIT_S = 1.0
MAX_WAIT_S = 60.0
# An idle position is saved now and then, or it would fall out of the oplog in a quiet week.
IDLE_SAVE_S = 60.0
CLOCK_INTERVAL_S = 60.0
# An answer of MongoDB older than a few of these is late: see database.AWAIT_MS.
HEALTH_INTERVAL_S = 15.0
OUT_OF_OPLOG = "MongoDB's oplog no longer reaches back to it"

Document = dict[str, Any]


class Follower(ABC):
    """One thread's work. `run` returns when `stop` is set; it raises nothing."""

    name: str
    names = database.ZONEMTA_NAMES

    def __init__(self, uri: Secret, clients: SharedClients | None = None) -> None:
        self._uri = uri
        self._clients = clients or SharedClients()
        self._warnings = RateLimitedLog(logger)
        # Replaced as a whole: other threads read it.
        self._health = SourceHealth(name=self.name, interval_s=HEALTH_INTERVAL_S)
        self._where = "the configured address"
        self._wait_s = FIRST_WAIT_S

    def health(self) -> SourceHealth:
        return self._health

    def run(self, stop: threading.Event) -> None:
        from bson.errors import BSONError  # noqa: PLC0415
        from pymongo.errors import PyMongoError  # noqa: PLC0415

        while not stop.is_set():
            try:
                with self._clients.lease(self._uri.reveal()) as db:
                    self._follow(db, stop)
            except (PyMongoError, BSONError, SpoolError) as error:
                self._report(error)
                self._wait(stop)

    @abstractmethod
    def _follow(self, db: Database[Document], stop: threading.Event) -> None:
        """Follow the stream until `stop` is set or it ends. Raises PyMongoError, BSONError or
        SpoolError."""

    @abstractmethod
    def _lose_position(self, reason: str) -> None:
        """Forget the saved position and record the gap. Raises nothing."""

    @abstractmethod
    def _skip_too_large(self) -> None:
        """Get past a change that is too large to be read. Raises nothing."""

    def _wait(self, stop: threading.Event) -> None:
        stop.wait(self._wait_s)
        self._wait_s = min(self._wait_s * 2, MAX_WAIT_S)

    def _note_followed(self) -> None:
        """Note that the stream is open."""
        logger.info("Following the change stream of %s.", self._where)
        self._warnings.resolve("The change stream of %s is back.", self._where)
        self._wait_s = FIRST_WAIT_S

    def _note_batch(self, count: int) -> None:
        """Note an answer of MongoDB with so many changes."""
        self._health = replace(
            self._health,
            runs_total=self._health.runs_total + bool(count),
            last_error=None,
            succeeded_at=clock.utc_now(),
        )

    def _report(self, error: Exception) -> None:
        if isinstance(error, SpoolError):
            kind, line = "spool", str(error)
        else:
            kind, line = database.explain(error, where=self._where, names=self.names)
        failures = self._health.failures_total + 1
        self._health = replace(self._health, failures_total=failures, last_error=line[:300])
        if database.is_event_too_large(error):
            self._skip_too_large()
        elif database.is_position_lost(error):
            self._lose_position(OUT_OF_OPLOG)
        else:
            self._warnings.warn(kind, "%s", line)


def encode_position(token: Any) -> bytes:
    """Return a resume token as it is stored."""
    import bson  # noqa: PLC0415

    return bson.encode(token)


def decode_position(position: bytes | None) -> Any:
    """Return a stored resume token; None without one."""
    import bson  # noqa: PLC0415

    return None if position is None else bson.decode(position)
