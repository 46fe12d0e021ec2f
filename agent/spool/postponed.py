"""Items that the server refused for a cause that passes. They wait apart under their own numbers,
so that what came after them goes on, and are sent again every few minutes."""

from collections.abc import Sequence

from agent import clock
from agent.spool.items import ROW_OVERHEAD_BYTES, Items, Run
from agent.spool.transaction import Transaction

RETRY_S = 300.0


class PostponedItems(Items):
    """The postponed items of one queue."""

    def __init__(self, queue: str) -> None:
        super().__init__(f"{queue}_postponed")
        self._due_s = float("-inf")  # of the next pass through all of them, monotonic
        self._after = 0  # the last number of the present pass

    def peek_due(self, tx: Transaction, run: Run) -> None:
        """Add the next items of a pass to `run`; none between two passes."""
        if clock.monotonic_s() < self._due_s:
            return
        self.peek(tx, run, after=self._after)
        if not run.bodies:
            self._after, self._due_s = 0, clock.monotonic_s() + RETRY_S

    def pass_by(self, last_seq: int) -> None:
        """Continue the present pass after this number."""
        self._after = last_seq

    def add(self, tx: Transaction, at_ms: int, items: Sequence[tuple[int, bytes]]) -> None:
        """Add items by their numbers. `at_ms`: since when they wait."""
        tx.execute_many(
            f"INSERT OR REPLACE INTO {self.table} VALUES (?, ?, ?)",  # noqa: S608 (our own names)
            [(seq, at_ms, body) for seq, body in items],
        )

    def delete(self, tx: Transaction, items: Sequence[tuple[int, bytes]]) -> tuple[int, int]:
        """Delete items by their numbers; return how many were still there and their bytes."""
        where = f"DELETE FROM {self.table} WHERE seq = ?"  # noqa: S608
        gone = [len(body) for seq, body in items if tx.execute(where, (seq,)).rowcount]
        return len(gone), sum(gone) + len(gone) * ROW_OVERHEAD_BYTES
