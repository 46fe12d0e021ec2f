"""Compressed blocks of events that wait long: many in a fraction of the space, so that a day
without the server fits on a mail server's disk. Events sent within seconds are never compressed.
"""

import zlib
from collections.abc import Sequence

import msgspec

from agent.spool.transaction import Transaction

# Half of one POST by default, so that two blocks go into one.
MAX_ITEMS = 250
MAX_BYTES = 512 * 1024
# So many are left loose: events that flow are not worth the work.
LOOSE_ITEMS = 500
# Higher levels gain little on text so much alike, for several times the time.
LEVEL = 3
# Beside its body: numbers, time, page overhead.
OVERHEAD_BYTES = 40

_decoder = msgspec.msgpack.Decoder(list[bytes])


class DamagedBlock(Exception):
    """A block cannot be read again. `first_seq`, `last_seq`: numbers of the items in it."""

    def __init__(self, first_seq: int, last_seq: int) -> None:
        super().__init__(f"items {first_seq} to {last_seq}")
        self.first_seq = first_seq
        self.last_seq = last_seq


def compress(bodies: Sequence[bytes]) -> bytes:
    """Return the bodies in one block. Pure."""
    return zlib.compress(msgspec.msgpack.encode(bodies), LEVEL)


def decompress(block: bytes) -> list[bytes]:
    """Return the bodies of a block. Pure. Raises zlib.error or msgspec.DecodeError."""
    return _decoder.decode(zlib.decompress(block))


class CompressedBlocks:
    """The blocks of one queue. All their numbers are below those of its loose items."""

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self.table = f"{queue}_packed"

    def compress_oldest(self, tx: Transaction, *, overhead_bytes: int) -> int:
        """Compress the oldest loose items while there are more than enough of them; return how many
        bytes that saved."""
        saved = 0
        while True:
            first, last = tx.execute(
                f"SELECT (SELECT min(seq) FROM {self._queue}), (SELECT max(seq) FROM {self._queue})"  # noqa: S608 (our own names)
            ).fetchone()
            if first is None or last - first + 1 < LOOSE_ITEMS + MAX_ITEMS:
                return saved
            saved += self._compress_block(tx, overhead_bytes)

    def _compress_block(self, tx: Transaction, overhead_bytes: int) -> int:
        rows = tx.execute(
            f"SELECT seq, at_ms, body FROM {self._queue} ORDER BY seq LIMIT ?",  # noqa: S608
            (MAX_ITEMS,),
        ).fetchall()
        bodies: list[bytes] = []
        size = 0
        first_seq, at_ms, _ = rows[0]
        for seq, _, body in rows:
            # The numbers of a block have no holes.
            if bodies and (size + len(body) > MAX_BYTES or seq != first_seq + len(bodies)):
                break
            bodies.append(bytes(body))
            size += len(body)
        last_seq = first_seq + len(bodies) - 1
        tx.execute(f"DELETE FROM {self._queue} WHERE seq <= ?", (last_seq,))  # noqa: S608
        added = self._insert(tx, first_seq, at_ms, bodies)
        return size + overhead_bytes * len(bodies) - added

    def _insert(self, tx: Transaction, first_seq: int, at_ms: int, bodies: list[bytes]) -> int:
        block = compress(bodies)
        tx.execute(
            f"INSERT INTO {self.table} VALUES (?, ?, ?, ?, ?)",  # noqa: S608
            (first_seq, first_seq + len(bodies) - 1, at_ms, sum(map(len, bodies)), block),
        )
        return len(block) + OVERHEAD_BYTES

    def peek(
        self, tx: Transaction, *, after: int, max_count: int, max_bytes: int
    ) -> tuple[int, list[bytes], bool]:
        """Return the number of the oldest item above `after`, the items from there on within both
        bounds but at least one, and whether the blocks have no more. Blocks are taken completely,
        unless the first alone is too much. Raises DamagedBlock when the first is damaged."""
        first_seq, bodies, size = 0, list[bytes](), 0
        rows = tx.execute(
            f"SELECT first_seq, last_seq, raw_bytes, body FROM {self.table}"  # noqa: S608
            " WHERE last_seq > ? ORDER BY first_seq",
            (after,),
        )
        try:
            for first, last, raw_bytes, block in rows:
                if bodies and (
                    first != first_seq + len(bodies)
                    or len(bodies) + last - first + 1 > max_count
                    or size + raw_bytes > max_bytes
                ):
                    return first_seq, bodies, False
                try:
                    items = decompress(block)[max(0, after + 1 - first) :]
                except (zlib.error, msgspec.DecodeError) as error:
                    if bodies:
                        return first_seq, bodies, False
                    raise DamagedBlock(first, last) from error
                if not bodies:
                    first_seq = max(first, after + 1)
                    fit = _fit(items, max_count=max_count, max_bytes=max_bytes)
                    if fit < len(items):
                        return first_seq, items[:fit], False
                bodies += items
                size += sum(map(len, items)) + len(items)
        finally:
            rows.close()
        return first_seq, bodies, True

    def delete_up_to(self, tx: Transaction, last_seq: int) -> tuple[int, int]:
        """Delete all items up to a number; return how many, and the bytes that frees."""
        sums = "coalesce(sum(last_seq - first_seq + 1), 0), coalesce(sum(length(body) + ?), 0)"
        count, size = tx.execute(
            f"SELECT {sums} FROM {self.table} WHERE last_seq <= ?",  # noqa: S608
            (OVERHEAD_BYTES, last_seq),
        ).fetchone()
        tx.execute(f"DELETE FROM {self.table} WHERE last_seq <= ?", (last_seq,))  # noqa: S608
        torn = tx.execute(
            f"SELECT first_seq, at_ms, body FROM {self.table} WHERE first_seq <= ?",  # noqa: S608
            (last_seq,),
        ).fetchone()
        if torn is None:
            return count, size
        first_seq, at_ms, block = torn
        gone = last_seq - first_seq + 1
        tx.execute(f"DELETE FROM {self.table} WHERE first_seq = ?", (first_seq,))  # noqa: S608
        # It was read a moment ago, or its numbers would not be known.
        added = self._insert(tx, last_seq + 1, at_ms, decompress(block)[gone:])
        return count + gone, size + len(block) + OVERHEAD_BYTES - added

    def find_oldest(self, tx: Transaction, *, excess_bytes: int) -> tuple[int, int]:
        """Return the last number of the oldest blocks that together free so much, or of all of
        them, and how much that is; zeros without any."""
        last_seq, freed = 0, 0
        rows = tx.execute(
            f"SELECT last_seq, length(body) FROM {self.table} ORDER BY first_seq"  # noqa: S608
        )
        for last, length in rows:
            last_seq = last
            freed += length + OVERHEAD_BYTES
            if freed >= excess_bytes:
                break
        rows.close()
        return last_seq, freed


def _fit(bodies: Sequence[bytes], *, max_count: int, max_bytes: int) -> int:
    """Return how many of the first bodies fit, at least one. Pure."""
    size = 0
    for index, body in enumerate(bodies[:max_count]):
        size += len(body) + 1
        if size > max_bytes and index:
            return index
    return min(len(bodies), max_count)
