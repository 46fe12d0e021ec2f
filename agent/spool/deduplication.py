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


def final_key(queue_id: str, recipient: str) -> bytes:
    """Return the key under which "this recipient has its outcome" is remembered."""
    return blake2b(f"{queue_id}|{recipient.lower()}".encode(), digest_size=16).digest()


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
        self._recent: set[bytes] = set()  # on disk and not in the index
        self._pending: set[bytes] = set()  # of the transaction under way
        self._merged = False  # in the transaction under way

    def load(self, tx: Transaction) -> None:
        """Load the keys that are not in the index yet, when the file is opened."""
        self._recent = {
            bytes(keys[start : start + KEY_BYTES])
            for (keys,) in tx.execute("SELECT keys FROM seen_recent")
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
        known = {key for key in keys if key in self._recent or key in self._pending}
        rest = [key for key in keys if key not in known]
        for start in range(0, len(rest), LOOKUP_STEP):
            part = rest[start : start + LOOKUP_STEP]
            marks = ",".join("?" * len(part))
            rows = tx.execute(f"SELECT key FROM seen WHERE key IN ({marks})", part)  # noqa: S608
            known.update(bytes(row[0]) for row in rows)
        return known

    def remember(self, tx: Transaction, keys: Iterable[bytes], now_ms: int) -> None:
        fresh = {key for key in keys if key not in self._recent and key not in self._pending}
        if not fresh:
            return
        tx.execute("INSERT INTO seen_recent (at_ms, keys) VALUES (?, ?)", (now_ms, b"".join(fresh)))
        if not self._pending and not self._merged:
            tx.on_end.append(self._end)
        self._pending |= fresh
        if not self._merged and len(self._recent) + len(self._pending) >= self._merge_at:
            self._merge(tx, now_ms)
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

    def _merge(self, tx: Transaction, now_ms: int) -> None:
        # Without the time of each, which is on disk: a key may be remembered a little longer, and
        # reading them all again takes more memory than everything else here.
        keys = sorted([*self._recent, *self._pending])
        tx.execute_many(
            "INSERT OR IGNORE INTO seen (key, at_ms) VALUES (?, ?)", ((key, now_ms) for key in keys)
        )
        tx.execute("DELETE FROM seen_recent")
        self._merged = True
        self._pending.clear()  # keys from here on are not in the index
