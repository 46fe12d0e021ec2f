"""Which events were already taken, from either source. Durable, bounded by time and by count.

A plugin that never heard our answer sends again; the change stream, resumed after a night, tells
what the plugin told yesterday: both are recognised here.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from hashlib import blake2b

# Forgetting is done once in so many rememberings, in small steps.
FORGET_EVERY = 500
LOOKUP_STEP = 500


def final_key(queue_id: str, recipient: str) -> bytes:
    """Return the key under which "this recipient has its outcome" is remembered."""
    return blake2b(f"{queue_id}|{recipient.lower()}".encode(), digest_size=16).digest()


def inferred_key(key: bytes) -> bytes:
    """Return the key under which it is remembered that what `key` stands for was inferred and went
    to the server: an event id, or `final_key`."""
    return blake2b(b"inferred|" + key, digest_size=16).digest()


class Seen:
    """The memory. Keys are 16 bytes: an event id, `final_key`, or `inferred_key` of either."""

    def __init__(self, *, memory_ms: int, memory_count: int) -> None:
        self._memory_ms = memory_ms
        self._memory_count = memory_count
        self._since_forgetting = 0

    def known(self, connection: sqlite3.Connection, keys: Sequence[bytes]) -> set[bytes]:
        """Return which of `keys` are remembered."""
        found: set[bytes] = set()
        for start in range(0, len(keys), LOOKUP_STEP):
            part = keys[start : start + LOOKUP_STEP]
            marks = ",".join("?" * len(part))
            rows = connection.execute(f"SELECT key FROM seen WHERE key IN ({marks})", part)  # noqa: S608
            found.update(bytes(row[0]) for row in rows)
        return found

    def remember(self, connection: sqlite3.Connection, keys: Iterable[bytes], now_ms: int) -> None:
        """Remember `keys` from now on."""
        rows = [(key, now_ms) for key in keys]
        connection.executemany("INSERT OR IGNORE INTO seen (key, at_ms) VALUES (?, ?)", rows)
        self._since_forgetting += len(rows)
        if self._since_forgetting >= FORGET_EVERY:
            self._since_forgetting = 0
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
