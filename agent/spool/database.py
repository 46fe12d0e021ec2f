"""The SQLite file: opening, transactions, counters, and what to do when it is damaged."""

import logging
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from agent import clock
from agent.errors import SpoolError

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE samples (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE refused (
    n INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL, reason TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE seen (n INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, at_ms INTEGER NOT NULL);
CREATE TABLE held (
    event_id BLOB PRIMARY KEY, due_ms INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    final INTEGER NOT NULL, recipient TEXT NOT NULL, queue_id TEXT NOT NULL,
    message_id TEXT, session_id TEXT, body BLOB NOT NULL);
CREATE INDEX held_due ON held (due_ms);
CREATE TABLE documents (
    id TEXT PRIMARY KEY, generation INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE messages (
    file_id TEXT PRIMARY KEY, queue_id TEXT NOT NULL, generation INTEGER NOT NULL,
    body BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX messages_queue_id ON messages (queue_id);
CREATE TABLE notices (
    n INTEGER PRIMARY KEY, recipient TEXT NOT NULL, message_id TEXT, session_id TEXT,
    seen_ms INTEGER NOT NULL);
CREATE INDEX notices_recipient ON notices (recipient);
"""
# Tables that came later. An agent that does not know one ignores it, so that going back to it after
# an upgrade works; anything else that changes the layout needs another SCHEMA_VERSION.
ADDED = """
CREATE TABLE IF NOT EXISTS dropped (first_seq INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS plugin_processes (
    process TEXT PRIMARY KEY, dropped INTEGER NOT NULL, heard_ms INTEGER NOT NULL) WITHOUT ROWID;
"""
KEPT_DAMAGED_FILES = 2
# Below this size the whole file is checked at start; a larger one would cost the start seconds.
CHECKED_AT_START_BYTES = 32 * 1024**2
# Counters: transactions that could not be written, files that were set aside.
FAILED = "spool.failed_commits"
SET_ASIDE = "spool.set_aside"
# Of 4 kB each.
KEPT_FREE_PAGES = 4096
GIVEN_BACK_PAGES = 256
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class Database:
    """One connection for all threads of the agent, one transaction at a time.

    Commits with synchronous=FULL: when `transaction` is left without an exception, its changes
    survive a power cut. `added`: statements that make further tables where they are not there.
    """

    def __init__(self, path: Path, *, added: Iterable[str] = ()) -> None:
        self.path = path
        self._added = ADDED + "".join(added)
        self.after_commit: list[Callable[[], None]] = []
        #: Told of each transaction whether it was committed, before another can begin.
        self.settled: Callable[[bool], None] = lambda _committed: None
        #: Told when a damaged file was set aside and an empty one begun.
        self.begun_anew: Callable[[], None] = lambda: None
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._failed = 0  # transactions, not yet counted on disk

    def open(self) -> None:
        """Open or create the file. A damaged one is set aside and a new one begun."""
        with self._lock:
            try:
                self._connection = self._connect()
            except sqlite3.Error as error:
                if not _is_damage(error):
                    raise SpoolError(f"{self.path}: {error}") from error
                self._set_aside(error)

    def close(self) -> None:
        """Close the file; the write-ahead log goes with it."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the connection inside a transaction; on leaving, all of it is on disk or none.

        Raises SpoolError when it could not commit.
        """
        with self._lock:
            connection = self._opened()
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                add(connection, FAILED, self._failed)
                connection.execute("COMMIT")
            except BaseException as error:
                with suppress(sqlite3.Error):
                    connection.rollback()
                self.settled(False)
                if not isinstance(error, sqlite3.Error):
                    raise
                self._failed += 1
                self._mend(error)
                raise SpoolError(f"{self.path}: {error}") from error
            self._failed = 0
            self.settled(True)
        for callback in self.after_commit:
            callback()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for reading only. Raises SpoolError."""
        with self._lock:
            try:
                yield self._opened()
            except sqlite3.Error as error:
                self._mend(error)
                raise SpoolError(f"{self.path}: {error}") from error

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise SpoolError(f"{self.path} is closed")
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=5.0
        )
        try:
            # Before anything else is written, or it means nothing: see give_back.
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA cache_size=-1000")  # kB; what is read is seldom read again
            connection.execute("PRAGMA wal_autocheckpoint=1000")
            connection.execute("PRAGMA journal_size_limit=67108864")
            self.path.chmod(0o600)
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                connection.executescript(
                    # The epoch names this file's numbering: a new file starts a new one.
                    f"BEGIN; {SCHEMA} INSERT INTO meta VALUES ('epoch', '{uuid.uuid4()}');"  # noqa: S608
                    f" PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
                )
            elif version != SCHEMA_VERSION:
                raise SpoolError(
                    f"{self.path} was written by another version of the agent (layout {version},"
                    f" this one knows {SCHEMA_VERSION}). Run that version, or move the file away."
                )
            if self.path.stat().st_size < CHECKED_AT_START_BYTES:
                (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
                if verdict != "ok":
                    raise _damage(str(verdict))
            connection.executescript(self._added)
        except BaseException:
            connection.close()
            raise
        return connection

    def _mend(self, error: sqlite3.Error) -> None:
        # The failed call is lost either way; the next one finds a file that works.
        if _is_damage(error):
            self._set_aside(error)

    def _set_aside(self, error: sqlite3.Error) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
        stamp = clock.utc_now().strftime("%Y%m%dT%H%M%S%f")
        aside = self.path.with_name(f"{self.path.name}.damaged-{stamp}")
        try:
            for suffix in ("", "-wal", "-shm"):
                source = self.path.with_name(self.path.name + suffix)
                if source.exists():
                    source.rename(aside.with_name(aside.name + suffix))
        except OSError as failure:
            raise SpoolError(
                f"{self.path} is damaged ({error}) and cannot be set aside ({failure.strerror})."
                " Make its directory writable, or move the file away."
            ) from error
        logger.error(
            "Spool %s is damaged (%s): set aside as %s, a new one is begun."
            " Events not yet sent are in the old file; the server shows them as missing.",
            self.path,
            error,
            aside.name,
        )
        self._sweep_damaged()
        try:
            self._connection = self._connect()
            add(self._connection, SET_ASIDE, 1)
        except sqlite3.Error as failure:
            raise SpoolError(f"{self.path}: {failure}") from failure
        self.begun_anew()

    def _sweep_damaged(self) -> None:
        found = sorted(self.path.parent.glob(f"{self.path.name}.damaged-*"))
        stems = sorted({p.name.removesuffix("-wal").removesuffix("-shm") for p in found})
        for stem in stems[:-KEPT_DAMAGED_FILES]:
            for suffix in ("", "-wal", "-shm"):
                self.path.with_name(stem + suffix).unlink(missing_ok=True)


def _damage(verdict: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(verdict)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in DAMAGE


def add(connection: sqlite3.Connection, name: str, amount: int) -> None:
    """Add `amount` to the durable counter `name`."""
    if amount:
        connection.execute(
            "INSERT INTO counters VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            (name, amount),
        )


def counter(connection: sqlite3.Connection, name: str) -> int:
    """Return the durable counter `name`, 0 when it never counted."""
    row = connection.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def give_back(connection: sqlite3.Connection) -> None:
    """Shorten a file that has much more room than it needs, a little at a time: what an outage took
    of the disk is the mail's again after it. Outside any transaction."""
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    if free > KEPT_FREE_PAGES:
        # Not `execute`, which takes one step, one page, of what has no result.
        connection.executescript(f"PRAGMA incremental_vacuum({GIVEN_BACK_PAGES})")


def get_meta(connection: sqlite3.Connection, name: str) -> bytes | None:
    """Return the value kept under `name`."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    if row is None:
        return None
    return row[0].encode() if isinstance(row[0], str) else bytes(row[0])


def epoch(connection: sqlite3.Connection) -> str:
    """Return the random name of this file's numbering."""
    return (get_meta(connection, "epoch") or b"").decode()


def set_meta(connection: sqlite3.Connection, name: str, value: bytes | None) -> None:
    """Keep `value` under `name`; None forgets it."""
    if value is None:
        connection.execute("DELETE FROM meta WHERE name = ?", (name,))
    else:
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
