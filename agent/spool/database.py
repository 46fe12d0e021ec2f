"""The SQLite file: opening it, its transactions, and a new one in place of a damaged one."""

import logging
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from agent import clock
from agent.errors import SpoolError
from agent.spool.schema import FAILED_COMMITS, LATER_TABLES, SET_ASIDE, TABLES, VERSION
from agent.spool.transaction import Transaction

logger = logging.getLogger(__name__)

MAX_DAMAGED_FILES = 2
# Below this size the file is checked at start; a larger one would cost the start seconds.
CHECKED_AT_START_BYTES = 32 * 1024**2
# Pages have 4 kB. So many may stay free; so many are given back at once.
MAX_FREE_PAGES = 4096
FREED_PAGES = 256
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class Database:
    """One connection for all threads of the agent, one transaction at a time.

    Commits with synchronous=FULL: when `begin` is left without an exception, its changes survive a
    power cut. `on_new_file` is called when a damaged file was set aside and an empty one begun.
    """

    def __init__(self, path: Path, *, on_new_file: Callable[[], None]) -> None:
        self.path = path
        self._on_new_file = on_new_file
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._failed_commits = 0  # not yet counted on disk

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
    def begin(self) -> Iterator[Transaction]:
        """Begin a transaction; on leaving, all of it is on disk or none.

        Raises SpoolError when it could not commit.
        """
        with self._lock:
            connection = self._require_open()
            tx = Transaction(connection)
            try:
                tx.execute("BEGIN IMMEDIATE")
                yield tx
                tx.add(FAILED_COMMITS, self._failed_commits)
                tx.execute("COMMIT")
            except BaseException as error:
                with suppress(sqlite3.Error):
                    connection.rollback()
                for ended in tx.on_end:
                    ended(False)
                if not isinstance(error, sqlite3.Error):
                    raise
                self._failed_commits += 1
                raise self._recover(error) from error
            self._failed_commits = 0
            for ended in tx.on_end:
                ended(True)
        for committed in tx.on_commit:
            committed()

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Give access for reading only. Raises SpoolError."""
        with self._lock:
            try:
                yield Transaction(self._require_open())
            except sqlite3.Error as error:
                raise self._recover(error) from error

    def shrink(self) -> None:
        """Shorten a file that is mostly empty, a little at a time: the disk that an outage took is
        free again after it."""
        with self.read() as tx:
            (free,) = tx.execute("PRAGMA freelist_count").fetchone()
            if free > MAX_FREE_PAGES:
                # Not `execute`, which takes one step, one page, of a statement without a result.
                self._require_open().executescript(f"PRAGMA incremental_vacuum({FREED_PAGES})")

    def _require_open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise SpoolError(f"{self.path} is closed")
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=5.0
        )
        try:
            # Before anything else is written, or it means nothing: see shrink.
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
                    f"BEGIN; {TABLES} INSERT INTO meta VALUES ('epoch', '{uuid.uuid4()}');"  # noqa: S608
                    f" PRAGMA user_version={VERSION}; COMMIT;"
                )
            elif version != VERSION:
                raise SpoolError(
                    f"{self.path} was written by another version of the agent (layout {version},"
                    f" this one knows {VERSION}). Run that version, or move the file away."
                )
            if self.path.stat().st_size < CHECKED_AT_START_BYTES:
                (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
                if verdict != "ok":
                    damage = sqlite3.DatabaseError(verdict)
                    damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                    raise damage
            connection.executescript(LATER_TABLES)
        except BaseException:
            connection.close()
            raise
        return connection

    def _recover(self, error: sqlite3.Error) -> SpoolError:
        """Return the error to raise: the failed call is lost, the next finds a file that works."""
        if _is_damage(error):
            self._set_aside(error)
        return SpoolError(f"{self.path}: {error}")

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
            "Spool %s is damaged (%s): set aside as %s, a new one is started."
            " Events not yet sent are in the old file; the server shows them as missing.",
            self.path,
            error,
            aside.name,
        )
        self._sweep_damaged()
        try:
            self._connection = self._connect()
            Transaction(self._connection).add(SET_ASIDE, 1)
        except sqlite3.Error as failure:
            raise SpoolError(f"{self.path}: {failure}") from failure
        self._on_new_file()

    def _sweep_damaged(self) -> None:
        files = self.path.parent.glob(f"{self.path.name}.damaged-*")
        stems = sorted({file.name.removesuffix("-wal").removesuffix("-shm") for file in files})
        for stem in stems[:-MAX_DAMAGED_FILES]:
            for suffix in ("", "-wal", "-shm"):
                self.path.with_name(stem + suffix).unlink(missing_ok=True)


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in DAMAGE


@contextmanager
def open_read_only(path: Path) -> Iterator[Transaction]:
    """Give access to the file beside a running agent. Raises SpoolError."""
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5.0)
        try:
            yield Transaction(connection)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise SpoolError(f"{path} cannot be read: {error}.") from error
