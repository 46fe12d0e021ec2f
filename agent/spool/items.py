"""Tables of single items: number, time since when it waits, body."""

from agent.spool.transaction import Transaction

# A row costs this beside its body: sequence, time, page overhead.
ROW_OVERHEAD_BYTES = 32


class Run:
    """Items with consecutive numbers: as many as both bounds allow, but at least one."""

    def __init__(self, *, max_count: int, max_bytes: int) -> None:
        self.first_seq = 0
        self.bodies: list[bytes] = []
        self._left_count = max_count
        self._left_bytes = max_bytes

    def has_room(self, first_seq: int, count: int, size_bytes: int) -> bool:
        """Return whether so many more items fit and are the next."""
        is_next = first_seq == self.first_seq + len(self.bodies)
        return is_next and count <= self._left_count and size_bytes + count <= self._left_bytes

    def add(self, seq: int, body: bytes) -> bool:
        """Add an item if it fits and is the next; return whether it was added."""
        if self.bodies and not self.has_room(seq, 1, len(body)):
            return False
        self.first_seq = self.first_seq or seq
        self.bodies.append(body)
        self._left_count -= 1
        self._left_bytes -= len(body) + 1
        return True


class Items:
    """The items of one table. Sizes include what a row costs."""

    first = last = "seq"  # columns: the first and the last number in a row
    overhead_bytes = ROW_OVERHEAD_BYTES

    def __init__(self, table: str) -> None:
        self.table = table

    def peek(self, tx: Transaction, run: Run, *, after: int) -> bool:
        """Add items above the number `after` to `run`; return whether there are no more."""
        rows = tx.execute(
            f"SELECT seq, body FROM {self.table} WHERE seq > ? ORDER BY seq",  # noqa: S608 (our own names)
            (after,),
        )
        is_end = all(run.add(seq, bytes(body)) for seq, body in rows)
        rows.close()
        return is_end

    def oldest(self, tx: Transaction) -> tuple[int, int] | None:
        """Return number and time of the oldest item."""
        oldest: tuple[int, int] | None = tx.execute(
            f"SELECT {self.first}, at_ms FROM {self.table} ORDER BY {self.first} LIMIT 1"  # noqa: S608
        ).fetchone()
        return oldest

    def find_oldest(self, tx: Transaction, *, excess_bytes: int) -> tuple[int, int]:
        """Return the last number of the oldest rows that together free so much, or of all of them,
        and how much that is; zeros without any."""
        last_seq = freed = 0
        rows = tx.execute(
            f"SELECT {self.last}, length(body) FROM {self.table} ORDER BY {self.first}"  # noqa: S608
        )
        for seq, length in rows:
            last_seq = seq
            freed += length + self.overhead_bytes
            if freed >= excess_bytes:
                break
        rows.close()
        return last_seq, freed

    def delete_up_to(self, tx: Transaction, last_seq: int) -> tuple[int, int]:
        """Delete all items up to a number; return how many, and the bytes that frees."""
        count = f"coalesce(sum({self.last} - {self.first} + 1), 0)"
        size = "coalesce(sum(length(body) + ?), 0)"
        where = f"FROM {self.table} WHERE {self.last} <= ?"
        sums: tuple[int, int] = tx.execute(
            f"SELECT {count}, {size} {where}", (self.overhead_bytes, last_seq)
        ).fetchone()
        tx.execute(f"DELETE {where}", (last_seq,))
        return sums
