"""How long items wait, by the time the agent ran: not by a clock that may be set.

A machine whose clock jumps a year ahead must not lose what it has not sent yet. So an hourly mark
says up to which number everything was there then. All in the caller's transaction.
"""

import sqlite3
from collections.abc import Callable

from agent import clock
from agent.spool.database import add, counter

RAN_S = "ran_s"  # a counter: seconds in which the agent ran, to the last mark
MARK_EVERY_S = 3600.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS ages (
    queue TEXT NOT NULL, ran_s INTEGER NOT NULL, last_seq INTEGER NOT NULL,
    PRIMARY KEY (queue, ran_s)) WITHOUT ROWID;
"""


class Age:
    """The marks of one queue."""

    def __init__(self, queue: str, *, max_age_s: float) -> None:
        self._queue = queue
        self._max_age_s = max_age_s
        self._marked_s = clock.monotonic_s()

    def too_old(self, connection: sqlite3.Connection, last_seq: Callable[[], int]) -> int:
        """Return the number up to which everything has waited too long; 0 when nothing has, or
        when it is not time to look. `last_seq`: the newest number there is."""
        now_s = clock.monotonic_s()
        passed_s = now_s - self._marked_s
        if passed_s < MARK_EVERY_S:
            return 0
        self._marked_s = now_s
        name = f"{self._queue}.{RAN_S}"
        add(connection, name, int(passed_s))
        ran_s = counter(connection, name)
        connection.execute(
            "INSERT OR REPLACE INTO ages VALUES (?, ?, ?)", (self._queue, ran_s, last_seq())
        )
        if self._max_age_s == float("inf"):
            return 0
        old = "FROM ages WHERE queue = ? AND ran_s <= ?"
        until = (self._queue, ran_s - int(self._max_age_s))
        (found,) = connection.execute(f"SELECT max(last_seq) {old}", until).fetchone()
        connection.execute(f"DELETE {old}", until)
        return int(found or 0)
