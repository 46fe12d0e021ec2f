"""Events that wait long are kept many in one compressed piece: they take a fraction of the room,
and a day without the server fits on a mail server's disk.

What is sent within seconds is never packed. Every function works in the caller's transaction.
"""

import sqlite3
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

# Half of what one POST carries by default, so that whole pieces go into one.
MOST_ITEMS = 250
MOST_BYTES = 512 * 1024
# So many are left loose: what flows is not worth the work.
LOOSE_ITEMS = 500
# Higher levels gain little on text so much alike, for several times the time.
LEVEL = 3
# Beside its body: numbers, time, page overhead.
OVERHEAD_BYTES = 40

SCHEMA = """
CREATE TABLE IF NOT EXISTS {name}_packed (
    first_seq INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    raw_bytes INTEGER NOT NULL, body BLOB NOT NULL);
"""

_decoder = msgspec.msgpack.Decoder(list[bytes])


class DamagedPiece(Exception):
    """A piece cannot be read again. `first_seq`, `last_seq`: what was in it."""

    def __init__(self, first_seq: int, last_seq: int) -> None:
        super().__init__(f"items {first_seq} to {last_seq}")
        self.first_seq = first_seq
        self.last_seq = last_seq


@dataclass(frozen=True)
class Freed:
    """What a change took away (or, negative, added)."""

    count: int = 0
    size_bytes: int = 0


def pack(bodies: Sequence[bytes]) -> bytes:
    """Return the bodies in one piece. Pure."""
    return zlib.compress(msgspec.msgpack.encode(bodies), LEVEL)


def unpack(piece: bytes) -> list[bytes]:
    """Return the bodies of a piece. Pure. Raises zlib.error or msgspec.DecodeError."""
    return _decoder.decode(zlib.decompress(piece))


class PackedItems:
    """The pieces of one queue. All their numbers are below those of its loose items."""

    def __init__(self, queue: str) -> None:
        self._loose = queue
        self.table = f"{queue}_packed"

    def gather(self, connection: sqlite3.Connection, *, overhead_bytes: int) -> Freed:
        """Pack the oldest loose items while there are more than enough of them."""
        saved = 0
        while True:
            first, last = connection.execute(
                f"SELECT (SELECT min(seq) FROM {self._loose}), (SELECT max(seq) FROM {self._loose})"  # noqa: S608 (our own names)
            ).fetchone()
            if first is None or last - first + 1 < LOOSE_ITEMS + MOST_ITEMS:
                return Freed(0, saved)
            saved += self._gather_piece(connection, overhead_bytes)

    def _gather_piece(self, connection: sqlite3.Connection, overhead_bytes: int) -> int:
        rows = connection.execute(
            f"SELECT seq, at_ms, body FROM {self._loose} ORDER BY seq LIMIT ?",  # noqa: S608
            (MOST_ITEMS,),
        ).fetchall()
        bodies: list[bytes] = []
        size = 0
        first_seq, at_ms, _ = rows[0]
        for seq, _, body in rows:
            # The numbers of a piece have no holes.
            if bodies and (size + len(body) > MOST_BYTES or seq != first_seq + len(bodies)):
                break
            bodies.append(bytes(body))
            size += len(body)
        last_seq = first_seq + len(bodies) - 1
        connection.execute(f"DELETE FROM {self._loose} WHERE seq <= ?", (last_seq,))  # noqa: S608
        added = self._insert(connection, first_seq, at_ms, bodies)
        return size + overhead_bytes * len(bodies) - added

    def _insert(
        self, connection: sqlite3.Connection, first_seq: int, at_ms: int, bodies: list[bytes]
    ) -> int:
        piece = pack(bodies)
        connection.execute(
            f"INSERT INTO {self.table} VALUES (?, ?, ?, ?, ?)",  # noqa: S608
            (first_seq, first_seq + len(bodies) - 1, at_ms, sum(map(len, bodies)), piece),
        )
        return len(piece) + OVERHEAD_BYTES

    def peek(
        self, connection: sqlite3.Connection, *, after: int, max_count: int, max_bytes: int
    ) -> tuple[int, list[bytes], bool]:
        """Return the number of the oldest item above `after`, it and what follows, within both
        bounds but at least one, and whether that is all there is in pieces. Whole pieces are
        taken, unless already the first is too much. Raises DamagedPiece when the first is."""
        first_seq, bodies, size = 0, list[bytes](), 0
        rows = connection.execute(
            f"SELECT first_seq, last_seq, raw_bytes, body FROM {self.table}"  # noqa: S608
            " WHERE last_seq > ? ORDER BY first_seq",
            (after,),
        )
        try:
            for first, last, raw_bytes, piece in rows:
                if bodies and (
                    first != first_seq + len(bodies)
                    or len(bodies) + last - first + 1 > max_count
                    or size + raw_bytes > max_bytes
                ):
                    return first_seq, bodies, False
                try:
                    found = unpack(piece)[max(0, after + 1 - first) :]
                except (zlib.error, msgspec.DecodeError) as error:
                    if bodies:
                        return first_seq, bodies, False
                    raise DamagedPiece(first, last) from error
                if not bodies:
                    first_seq = max(first, after + 1)
                    fit = _fit(found, max_count=max_count, max_bytes=max_bytes)
                    if fit < len(found):
                        return first_seq, found[:fit], False
                bodies += found
                size += sum(map(len, found)) + len(found)
        finally:
            rows.close()
        return first_seq, bodies, True

    def delete_up_to(self, connection: sqlite3.Connection, last_seq: int) -> Freed:
        """Delete all items up to a number."""
        sums = "coalesce(sum(last_seq - first_seq + 1), 0), coalesce(sum(length(body) + ?), 0)"
        count, size = connection.execute(
            f"SELECT {sums} FROM {self.table} WHERE last_seq <= ?",  # noqa: S608
            (OVERHEAD_BYTES, last_seq),
        ).fetchone()
        connection.execute(f"DELETE FROM {self.table} WHERE last_seq <= ?", (last_seq,))  # noqa: S608
        torn = connection.execute(
            f"SELECT first_seq, at_ms, body FROM {self.table} WHERE first_seq <= ?",  # noqa: S608
            (last_seq,),
        ).fetchone()
        if torn is None:
            return Freed(count, size)
        first_seq, at_ms, piece = torn
        gone = last_seq - first_seq + 1
        connection.execute(f"DELETE FROM {self.table} WHERE first_seq = ?", (first_seq,))  # noqa: S608
        # It was read a moment ago, or its numbers would not be known.
        added = self._insert(connection, last_seq + 1, at_ms, unpack(piece)[gone:])
        return Freed(count + gone, size + len(piece) + OVERHEAD_BYTES - added)

    def oldest(
        self, connection: sqlite3.Connection, *, excess_bytes: int
    ) -> tuple[int, int, int] | None:
        """Return the first and last number of the oldest pieces that together free so much, or of
        all of them, and how much that is; None without any."""
        first_seq, last_seq, freed = 0, 0, 0
        rows = connection.execute(
            f"SELECT first_seq, last_seq, length(body) FROM {self.table} ORDER BY first_seq"  # noqa: S608
        )
        for first, last, length in rows:
            first_seq, last_seq = first_seq or first, last
            freed += length + OVERHEAD_BYTES
            if freed >= excess_bytes:
                break
        rows.close()
        return (first_seq, last_seq, freed) if last_seq else None


def _fit(bodies: Sequence[bytes], *, max_count: int, max_bytes: int) -> int:
    """Return how many of the first bodies fit, at least one. Pure."""
    size = 0
    for index, body in enumerate(bodies[:max_count]):
        size += len(body) + 1
        if size > max_bytes and index:
            return index
    return min(len(bodies), max_count)
