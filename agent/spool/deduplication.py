"""Which events were already taken, from either source. Durable, bounded by time and by count.

A plugin that never heard our answer sends again; the change stream, resumed after a night, tells
what the plugin told yesterday: both are recognised here.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

# How many keys go into the index at once, at most; in memory they take 1 MB.
MERGE_AT = 10_000
KEY_BYTES = 16
LOOKUP_STEP = 500

SCHEMA = """
CREATE TABLE IF NOT EXISTS seen_recent (
    n INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, keys BLOB NOT NULL);
"""


def final_key(queue_id: str, recipient: str) -> bytes:
    """Return the key under which "this recipient has its outcome" is remembered."""
    return blake2b(f"{queue_id}|{recipient.lower()}".encode(), digest_size=16).digest()


def inferred_key(key: bytes) -> bytes:
    """Return the key under which it is remembered that what `key` stands for was inferred and went
    to the server: an event id, or `final_key`."""
    return blake2b(b"inferred|" + key, digest_size=16).digest()


class Seen:
    """The memory. Keys are 16 bytes: an event id, `final_key`, or `inferred_key` of either.

    Keys are random, so each would change a page of the index of its own: 8 kB written for an event
    of 700 bytes. So they are first kept as they come, a row for each transaction, with a copy in
    memory; many thousands of them then go into the index at once, in its order.
    """

    def __init__(self, *, memory_ms: int, memory_count: int) -> None:
        self._memory_ms = memory_ms
        self._memory_count = memory_count
        self._merge_at = min(MERGE_AT, memory_count // 4)
        self._recent: set[bytes] = set()  # what is on disk and not in the index
        self._pending: set[bytes] = set()  # of the transaction under way
        self._merged = False  # in the transaction under way

    def load(self, connection: sqlite3.Connection) -> None:
        """Read again what is not in the index yet, when the file is opened."""
        self._recent = set(_recent_keys(connection))

    def forget_recent(self) -> None:
        """Forget what is not in the index: the file it was in is no more. What is told again may
        be what was lost with it."""
        self._recent.clear()

    def settle(self, committed: bool) -> None:
        """Take what the transaction remembered for true, or for never said. To be called before
        another transaction can begin."""
        if committed:
            if self._merged:
                self._recent.clear()
            self._recent |= self._pending
        self._pending.clear()
        self._merged = False

    def known(self, connection: sqlite3.Connection, keys: Sequence[bytes]) -> set[bytes]:
        """Return which of `keys` are remembered."""
        found = {key for key in keys if key in self._recent or key in self._pending}
        rest = [key for key in keys if key not in found]
        for start in range(0, len(rest), LOOKUP_STEP):
            part = rest[start : start + LOOKUP_STEP]
            marks = ",".join("?" * len(part))
            rows = connection.execute(f"SELECT key FROM seen WHERE key IN ({marks})", part)  # noqa: S608
            found.update(bytes(row[0]) for row in rows)
        return found

    def remember(self, connection: sqlite3.Connection, keys: Iterable[bytes], now_ms: int) -> None:
        """Remember `keys` from now on."""
        fresh = {key for key in keys if key not in self._recent and key not in self._pending}
        if not fresh:
            return
        connection.execute(
            "INSERT INTO seen_recent (at_ms, keys) VALUES (?, ?)", (now_ms, b"".join(fresh))
        )
        self._pending |= fresh
        if not self._merged and len(self._recent) + len(self._pending) >= self._merge_at:
            self._merge(connection, now_ms)
            self.forget(connection, now_ms)

    def forget(self, connection: sqlite3.Connection, now_ms: int) -> None:
        """Drop what is too old or too many."""
        connection.execute(
            "DELETE FROM seen WHERE n <= (SELECT max(n) FROM seen) - ?", (self._memory_count,)
        )
        oldest_kept = connection.execute(
            "SELECT n FROM seen WHERE at_ms >= ? ORDER BY n LIMIT 1", (now_ms - self._memory_ms,)
        ).fetchone()
        if oldest_kept is not None:
            connection.execute("DELETE FROM seen WHERE n < ?", oldest_kept)

    def _merge(self, connection: sqlite3.Connection, now_ms: int) -> None:
        # Not with the time of each, which is on disk: a key may be remembered a little longer, and
        # reading them all again takes more memory than everything else that is done here.
        keys = sorted([*self._recent, *self._pending])
        connection.executemany(
            "INSERT OR IGNORE INTO seen (key, at_ms) VALUES (?, ?)", ((key, now_ms) for key in keys)
        )
        connection.execute("DELETE FROM seen_recent")
        self._merged = True
        self._pending.clear()  # what this transaction remembers from here on is not in the index


def _recent_keys(connection: sqlite3.Connection) -> Iterator[bytes]:
    """Yield the keys that are not in the index."""
    for (keys,) in connection.execute("SELECT keys FROM seen_recent ORDER BY n"):
        for start in range(0, len(keys), KEY_BYTES):
            yield bytes(keys[start : start + KEY_BYTES])
