"""Memory of the events already taken, from either source. Durable, bounded by time and by count.

A plugin that never received our answer sends again; the change stream, resumed after a night,
repeats what the plugin reported yesterday: both are recognised here.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from agent.spool.transaction import Transaction

# How many keys go into the index at once, at most; in memory they take 1 MB.
MERGE_AT = 10_000
KEY_BYTES = 16
LOOKUP_STEP = 500
# What happened later than this after its id was taken is no repeated report of the same event: a
# queue that was restored from a backup delivers again. The server tells them apart by the same.
SAME_EVENT_WITHIN_MS = 3_600_000


def final_key(queue_id: str, delivery: str) -> bytes:
    """Return the key under which "this delivery has its outcome" is remembered. `delivery`: as in
    `event_id`, the sequence of the recipient, without one the address."""
    return blake2b(f"{queue_id}|{delivery.lower()}".encode(), digest_size=16).digest()


def inferred_key(key: bytes) -> bytes:
    """Return the key under which it is remembered that the event or outcome of `key` (an event id,
    or `final_key`) was inferred and went to the server."""
    return blake2b(b"inferred|" + key, digest_size=16).digest()


class SeenKeys:
    """The memory. Keys are 16 bytes: an event id, `final_key`, or `inferred_key` of either.

    Keys are random, so each would change a page of the index of its own: 8 kB written for an event
    of 700 bytes. So they are first stored as they come, a row for each transaction, with a copy in
    memory; many thousands of them then go into the index at once, in its order.
    """

    def __init__(self, *, memory_ms: int, memory_count: int) -> None:
        self._memory_ms = memory_ms
        self._memory_count = memory_count
        self._merge_at = min(MERGE_AT, memory_count // 4)
        # Each with the time it was remembered.
        self._recent: dict[bytes, int] = {}  # on disk and not in the index
        self._pending: dict[bytes, int] = {}  # of the transaction under way
        self._merged = False  # in the transaction under way

    def load(self, tx: Transaction) -> None:
        """Load the keys that are not in the index yet, when the file is opened."""
        self._recent = {
            bytes(keys[start : start + KEY_BYTES]): at_ms
            for keys, at_ms in tx.execute("SELECT keys, at_ms FROM seen_recent ORDER BY n")
            for start in range(0, len(keys), KEY_BYTES)
        }

    def forget_recent(self) -> None:
        """Forget keys that are not in the index, since its file is gone. An event that is reported
        again may be one that was lost with it."""
        self._recent.clear()

    def _end(self, committed: bool) -> None:
        """Make the transaction's keys known, or forget them."""
        if committed:
            if self._merged:
                self._recent.clear()
            self._recent |= self._pending
        self._pending.clear()
        self._merged = False

    def find_known(self, tx: Transaction, keys: Sequence[bytes]) -> set[bytes]:
        return set(self.find_times(tx, keys))

    def find_times(self, tx: Transaction, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Return the keys that are known, with the times they were remembered at."""
        recent, pending = self._recent, self._pending
        known = {key: recent[key] for key in keys if key in recent}
        known |= {key: pending[key] for key in keys if key in pending}
        rest = [key for key in keys if key not in known]
        for start in range(0, len(rest), LOOKUP_STEP):
            part = rest[start : start + LOOKUP_STEP]
            marks = ",".join("?" * len(part))
            rows = tx.execute(f"SELECT key, at_ms FROM seen WHERE key IN ({marks})", part)  # noqa: S608
            known.update((bytes(key), at_ms) for key, at_ms in rows)
        return known

    def remember(self, tx: Transaction, keys: Iterable[bytes], now_ms: int) -> None:
        old_ms = now_ms - SAME_EVENT_WITHIN_MS
        fresh = {
            key
            for key in keys
            if self._recent.get(key, old_ms - 1) < old_ms and self._pending.get(key) is None
        }
        if not fresh:
            return
        tx.execute("INSERT INTO seen_recent (at_ms, keys) VALUES (?, ?)", (now_ms, b"".join(fresh)))
        if not self._pending and not self._merged:
            tx.on_end.append(self._end)
        self._pending |= dict.fromkeys(fresh, now_ms)
        if not self._merged and len(self._recent) + len(self._pending) >= self._merge_at:
            self._merge(tx)
            self._expire(tx, now_ms)

    def _expire(self, tx: Transaction, now_ms: int) -> None:
        tx.execute(
            "DELETE FROM seen WHERE n <= (SELECT max(n) FROM seen) - ?", (self._memory_count,)
        )
        oldest = tx.execute(
            "SELECT n FROM seen WHERE at_ms >= ? ORDER BY n LIMIT 1", (now_ms - self._memory_ms,)
        ).fetchone()
        if oldest is not None:
            tx.execute("DELETE FROM seen WHERE n < ?", oldest)

    def _merge(self, tx: Transaction) -> None:
        # In place of a row from before it was remembered again, which is older than it is now.
        tx.execute_many(
            "INSERT OR REPLACE INTO seen (key, at_ms) VALUES (?, ?)",
            sorted((self._recent | self._pending).items()),
        )
        tx.execute("DELETE FROM seen_recent")
        self._merged = True
        self._pending.clear()  # keys from here on are not in the index
