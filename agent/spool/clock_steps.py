"""Steps of this node's clock, by the numbers of the events that were captured after each.

The server corrects the times of a batch by the clock of its request. What waited since before the
clock was set was captured by another one: its batch says by how much that one was off beside it.
"""

from collections.abc import Callable
from typing import NamedTuple

from agent import clock
from agent.spool.transaction import Transaction

MIN_STEP_MS = 1_000
# Two measurements that differ by less may be of one clock: `Date` has whole seconds.
MIN_SKEW_CHANGE_MS = 5_000
# The server does not correct less.
MIN_SET_MS = 5_000
MAX_STEPS = 100

#: How far this clock, at this offset, is ahead of the server's, in ms; None: not measured.
AheadMs = Callable[[int], int | None]


class ClockState(NamedTuple):
    """The clock of one moment: start of the machine, offset from the time since then, and how far
    it was ahead of the server's where that was measured."""

    boot: str
    offset_ms: int
    ahead_ms: int | None


class ClockSteps:
    """The steps of the clock that waiting events of one queue may be from."""

    def __init__(self) -> None:
        self.ahead_ms: AheadMs = lambda _offset_ms: None
        self._last: ClockState | None = None

    def note(self, tx: Transaction, next_seq: Callable[[], int]) -> None:
        """Record the present clock if it is another than before. `next_seq`: the number of the
        event that follows."""
        now = self._read_clock()
        if self._last is None:
            self._last = _read_last(tx)
        last = self._last
        if last is not None and _is_same(last, now):
            if last.ahead_ms is not None or now.ahead_ms is None:
                return
            tx.execute(
                "UPDATE clock_steps SET ahead_ms = ?"
                " WHERE first_seq = (SELECT max(first_seq) FROM clock_steps)",
                (now.ahead_ms,),
            )
        else:
            tx.execute("INSERT OR REPLACE INTO clock_steps VALUES (?, ?, ?, ?)", (next_seq(), *now))
            tx.execute(
                "DELETE FROM clock_steps WHERE first_seq <= (SELECT first_seq FROM clock_steps"
                " ORDER BY first_seq DESC LIMIT 1 OFFSET ?)",
                (MAX_STEPS,),
            )
        tx.on_end.append(lambda is_committed: self._end(now if is_committed else None))

    def forget(self) -> None:
        """Forget what was recorded: the file is a new one."""
        self._last = None

    def find_set_ms(self, tx: Transaction, seq: int) -> tuple[int, int | None]:
        """Return by how much the clock was set forward since event `seq` was captured, 0 where it
        was not or that is not known, and the number from which on that is another."""
        rows = tx.execute(
            "SELECT boot, offset_ms, ahead_ms FROM clock_steps WHERE first_seq <= ?"
            " ORDER BY first_seq DESC LIMIT 1",
            (seq,),
        ).fetchall()
        (next_seq,) = tx.execute(
            "SELECT min(first_seq) FROM clock_steps WHERE first_seq > ?", (seq,)
        ).fetchone()
        set_ms = _set_between(ClockState(*rows[0]), self._read_clock()) if rows else 0
        return (set_ms if abs(set_ms) >= MIN_SET_MS else 0), next_seq

    def _read_clock(self) -> ClockState:
        offset_ms = clock.offset_ms()
        return ClockState(clock.boot_id(), offset_ms, self.ahead_ms(offset_ms))

    def _end(self, state: ClockState | None) -> None:
        self._last = state


def _read_last(tx: Transaction) -> ClockState | None:
    row = tx.execute(
        "SELECT boot, offset_ms, ahead_ms FROM clock_steps ORDER BY first_seq DESC LIMIT 1"
    ).fetchone()
    return ClockState(*row) if row else None


def _is_same(one: ClockState, other: ClockState) -> bool:
    if one.boot != other.boot or abs(one.offset_ms - other.offset_ms) >= MIN_STEP_MS:
        return False
    # A virtual machine that stood still is behind, though nobody set its clock.
    if one.ahead_ms is None or other.ahead_ms is None:
        return True
    return abs(one.ahead_ms - other.ahead_ms) < MIN_SKEW_CHANGE_MS


def _set_between(then: ClockState, now: ClockState) -> int:
    if then.ahead_ms is not None and now.ahead_ms is not None:
        return now.ahead_ms - then.ahead_ms
    return now.offset_ms - then.offset_ms if then.boot == now.boot else 0
