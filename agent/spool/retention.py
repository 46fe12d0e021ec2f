"""Items that leave a queue unsent: those that waited too long, and the numbers sent to the
server so that a gap it sees is explained.

Items are dropped and recorded in one transaction.
"""

from collections.abc import Callable, Iterable

from agent import clock
from agent.spool.transaction import Transaction

RAN_S = "ran_s"  # a counter: seconds in which the agent ran, to the last mark
MARK_EVERY_S = 3600.0
# The most one envelope may carry. Drops are at the old end, so they join into one range; this many
# need as many separate batches that the server refused.
MAX_RANGES = 1000

# First and last number, both included.
Ranges = tuple[tuple[int, int], ...]


class AgeLimit:
    """How long the items of one queue wait, by the time the agent ran.

    A machine whose clock jumps a year ahead must not lose what it has not sent yet. So an hourly
    mark records up to which number everything was there then.
    """

    def __init__(self, queue: str, *, max_age_s: float) -> None:
        self._queue = queue
        self._max_age_s = int(max_age_s)
        self._marked_s = clock.monotonic_s()

    def find_expired(self, tx: Transaction, last_seq: Callable[[], int]) -> int:
        """Return the number up to which everything has waited too long; 0 when nothing has, or
        when the next mark is not due. `last_seq`: the newest number there is."""
        now_s = clock.monotonic_s()
        passed_s = now_s - self._marked_s
        if passed_s < MARK_EVERY_S:
            return 0
        self._marked_s = now_s
        counter = f"{self._queue}.{RAN_S}"
        tx.add(counter, int(passed_s))
        ran_s = tx.counter(counter)
        tx.execute("INSERT OR REPLACE INTO ages VALUES (?, ?, ?)", (self._queue, ran_s, last_seq()))
        expired = "FROM ages WHERE queue = ? AND ran_s <= ?"
        until = (self._queue, ran_s - self._max_age_s)
        (seq,) = tx.execute(f"SELECT max(last_seq) {expired}", until).fetchone()
        tx.execute(f"DELETE {expired}", until)
        return int(seq or 0)


def record_dropped(tx: Transaction, first: int, last: int) -> None:
    """Record that `first` to `last` will never be sent. Joins ranges that touch, never across a
    number that was not dropped; beyond MAX_RANGES the oldest are forgotten, and counted."""
    touching = "FROM dropped WHERE first_seq <= ? AND last_seq >= ?"
    reach = (last + 1, first - 1)
    lowest, highest = tx.execute(
        f"SELECT min(first_seq), max(last_seq) {touching}", reach
    ).fetchone()
    if lowest is not None:
        tx.execute(f"DELETE {touching}", reach)
        first, last = min(first, lowest), max(last, highest)
    tx.execute("INSERT INTO dropped VALUES (?, ?)", (first, last))
    excess = tx.execute(
        "SELECT first_seq, last_seq FROM dropped ORDER BY first_seq DESC LIMIT -1 OFFSET ?",
        (MAX_RANGES,),
    ).fetchall()
    for oldest_first, oldest_last in excess:
        tx.execute("DELETE FROM dropped WHERE first_seq = ?", (oldest_first,))
        tx.add("events.dropped_untold", oldest_last - oldest_first + 1)


def read_dropped(tx: Transaction) -> Ranges:
    """Return the ranges the server does not know yet, oldest first."""
    rows = tx.execute("SELECT first_seq, last_seq FROM dropped ORDER BY first_seq")
    return tuple((int(first), int(last)) for first, last in rows)


def forget_dropped(tx: Transaction, sent: Iterable[tuple[int, int]]) -> None:
    """Forget the ranges the server has. One that has grown meanwhile keeps what is new."""
    for first, last in sent:
        rows = tx.execute(
            "SELECT first_seq, last_seq FROM dropped WHERE first_seq <= ? AND last_seq >= ?",
            (last, first),
        ).fetchall()
        for old_first, old_last in rows:
            tx.execute("DELETE FROM dropped WHERE first_seq = ?", (old_first,))
            rest = [(old_first, first - 1), (last + 1, old_last)]
            tx.execute_many(
                "INSERT INTO dropped VALUES (?, ?)", [part for part in rest if part[0] <= part[1]]
            )
