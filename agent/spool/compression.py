"""Compressed blocks of events that wait long: many in a fraction of the space, so that a day
without the server fits on a mail server's disk. Events sent within seconds are never compressed.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from agent.spool.items import Items, Run
from agent.spool.transaction import Transaction

# Half of one POST by default, so that two blocks go into one.
MAX_ITEMS = 250
MAX_BYTES = 512 * 1024
# So many are left loose: events that flow are not worth the work.
LOOSE_ITEMS = 500
# Higher levels gain little on text so much alike, for several times the time.
LEVEL = 3

_decoder = msgspec.msgpack.Decoder(list[bytes])


@dataclass(eq=False)
class DamagedBlock(Exception):
    """A block cannot be read again. `first_seq`, `last_seq`: numbers of the items in it."""

    first_seq: int
    last_seq: int


def compress(bodies: Sequence[bytes]) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(bodies), LEVEL)


def decompress(block: bytes) -> list[bytes]:
    """Return the bodies of a block. Pure. Raises zlib.error or msgspec.DecodeError."""
    return _decoder.decode(zlib.decompress(block))


class CompressedBlocks(Items):
    """The blocks of one queue. All their numbers are below those of its loose items."""

    first, last = "first_seq", "last_seq"
    overhead_bytes = 40  # numbers, time, page overhead

    def __init__(self, queue: str) -> None:
        super().__init__(f"{queue}_packed")
        self._loose = Items(queue)

    def compress_oldest(self, tx: Transaction) -> int:
        """Compress the oldest loose items while there are more than enough of them; return how many
        bytes that saved."""
        saved = 0
        while oldest := self._loose.oldest(tx):
            first_seq, at_ms = oldest
            (last_seq,) = tx.execute(f"SELECT max(seq) FROM {self._loose.table}").fetchone()  # noqa: S608 (our own names)
            if last_seq - first_seq + 1 < LOOSE_ITEMS + MAX_ITEMS:
                break
            run = Run(max_count=MAX_ITEMS, max_bytes=MAX_BYTES)
            self._loose.peek(tx, run, after=0)
            _, freed = self._loose.delete_up_to(tx, first_seq + len(run.bodies) - 1)
            saved += freed - self._insert(tx, first_seq, at_ms, run.bodies)
        return saved

    def _insert(self, tx: Transaction, first_seq: int, at_ms: int, bodies: list[bytes]) -> int:
        block = compress(bodies)
        tx.execute(
            f"INSERT INTO {self.table} VALUES (?, ?, ?, ?, ?)",  # noqa: S608 (our own names)
            (first_seq, first_seq + len(bodies) - 1, at_ms, sum(map(len, bodies)), block),
        )
        return len(block) + self.overhead_bytes

    def peek(self, tx: Transaction, run: Run, *, after: int) -> bool:
        """Add items above the number `after` to `run`; return whether the blocks have no more.
        Blocks are taken completely, unless the first alone is too much. Raises DamagedBlock when
        the first is damaged."""
        rows = tx.execute(
            f"SELECT first_seq, last_seq, raw_bytes, body FROM {self.table}"  # noqa: S608
            " WHERE last_seq > ? ORDER BY first_seq",
            (after,),
        )
        try:
            for first, last, raw_bytes, block in rows:
                if run.bodies and not run.has_room(first, last - first + 1, raw_bytes):
                    return False
                try:
                    bodies = decompress(block)
                except (zlib.error, msgspec.DecodeError) as error:
                    if run.bodies:
                        return False
                    raise DamagedBlock(first, last) from error
                for seq, body in enumerate(bodies, first):
                    if seq > after and not run.add(seq, body):
                        return False
        finally:
            rows.close()
        return True

    def delete_up_to(self, tx: Transaction, last_seq: int) -> tuple[int, int]:
        """Also from within a block."""
        count, size = super().delete_up_to(tx, last_seq)
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
        return count + gone, size + len(block) + self.overhead_bytes - added
