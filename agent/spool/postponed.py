"""Items that the server refused for a cause that passes. They wait apart under their own numbers,
so that what came after them goes on, and are sent again every few minutes."""

from collections.abc import Sequence

from agent import clock
from agent.spool.transaction import Transaction

RETRY_S = 300.0


class PostponedItems:
    """The postponed items of one queue."""

    def __init__(self, queue: str) -> None:
        self.table = f"{queue}_postponed"
        self._due_s = float("-inf")  # of the next pass through all of them, monotonic
        self._after = 0  # the last number of the present pass

    def peek(self, tx: Transaction, *, max_count: int, max_bytes: int) -> tuple[int, list[bytes]]:
        """Return the next items of a pass that have consecutive numbers, and the first number;
        nothing between two passes."""
        bodies: list[bytes] = []
        if clock.monotonic_s() < self._due_s:
            return 0, bodies
        rows = tx.execute(
            f"SELECT seq, body FROM {self.table} WHERE seq > ? ORDER BY seq LIMIT ?",  # noqa: S608 (our own names)
            (self._after, max_count),
        )
        first_seq = size = 0
        for seq, body in rows:
            size += len(body) + 1
            if bodies and (size > max_bytes or seq != first_seq + len(bodies)):
                break
            first_seq = first_seq or seq
            bodies.append(bytes(body))
        rows.close()
        if not bodies:
            self._after, self._due_s = 0, clock.monotonic_s() + RETRY_S
        return first_seq, bodies

    def has_any(self, tx: Transaction) -> bool:
        """Return whether there are any."""
        return tx.execute(f"SELECT 1 FROM {self.table} LIMIT 1").fetchone() is not None  # noqa: S608

    def pass_by(self, last_seq: int) -> None:
        """Continue the present pass after this number."""
        self._after = last_seq

    def add(self, tx: Transaction, at_ms: int, items: Sequence[tuple[int, bytes]]) -> None:
        """Add items by their numbers. `at_ms`: since when they wait."""
        tx.execute_many(
            f"INSERT OR REPLACE INTO {self.table} VALUES (?, ?, ?)",  # noqa: S608
            [(seq, at_ms, body) for seq, body in items],
        )

    def delete(self, tx: Transaction, items: Sequence[tuple[int, bytes]]) -> tuple[int, int]:
        """Delete items by their numbers; return how many were still there and their bytes."""
        where = f"DELETE FROM {self.table} WHERE seq = ?"  # noqa: S608
        gone = [len(body) for seq, body in items if tx.execute(where, (seq,)).rowcount]
        return len(gone), sum(gone)

    def delete_up_to(self, tx: Transaction, last_seq: int) -> tuple[int, int]:
        """Delete all up to a number; return how many there were and their bytes."""
        where = f"FROM {self.table} WHERE seq <= ?"
        count, size = tx.execute(
            f"SELECT count(*), coalesce(sum(length(body)), 0) {where}", (last_seq,)
        ).fetchone()
        if count:
            tx.execute(f"DELETE {where}", (last_seq,))
        return int(count), int(size)

    def find_oldest(self, tx: Transaction, *, excess_bytes: int, overhead_bytes: int) -> int:
        """Return the number up to which they are to be deleted to free `excess_bytes`, or the last
        number; 0 without any."""
        last_seq = 0
        rows = tx.execute(f"SELECT seq, length(body) FROM {self.table} ORDER BY seq")  # noqa: S608
        for seq, length in rows:
            last_seq, excess_bytes = seq, excess_bytes - length - overhead_bytes
            if excess_bytes <= 0:
                break
        rows.close()
        return last_seq
