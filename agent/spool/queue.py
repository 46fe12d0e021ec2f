"""A bounded FIFO on disk: append, peek, ack. Nothing leaves it before the server has it."""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent import clock
from agent.spool.database import Database, add, counter, epoch
from agent.spool.dropped import Ranges, declare, declared, forget

# What a row costs beside its body: sequence, time, page overhead.
ROW_OVERHEAD_BYTES = 32
REFUSED_KEPT = 10_000
# Counts samples of a kind that an older server has no door for.
NOT_KNOWN = "not_known"
# What has samples of its own beside the machine's.
SOURCES = ("zonemta", "wildduck", "haraka", "rspamd", "redis", "mongodb", "agent")
# The tables there are: names become part of SQL.
NAMES = ("events", "samples", *(f"samples_{source}" for source in SOURCES))
# A queue may have this much on the fullest of disks, or nothing would ever pass.
FLOOR_BYTES = 16 * 1024**2


@dataclass(frozen=True)
class Batch:
    """The oldest items, in order; their sequence numbers are `first_seq` and those after it, in the
    numbering `epoch`. `dropped`: ranges of numbers that will never come. Without items `first_seq`
    is the number the next one will have."""

    epoch: str
    first_seq: int
    bodies: list[bytes]
    dropped: Ranges = ()

    @property
    def last_seq(self) -> int:
        """The sequence number of the last item."""
        return self.first_seq + len(self.bodies) - 1


class Queue:
    """One queue of the spool. Sequence numbers are never used twice and have no holes, except
    where items were dropped at the old end or set aside. `declares`: the server is told which."""

    def __init__(
        self,
        database: Database,
        name: str,
        *,
        max_bytes: int,
        declares: bool = False,
        may_grow: Callable[[], bool] = lambda: True,
    ) -> None:
        if name not in NAMES:
            raise ValueError(name)
        self.name = name
        self._database = database
        self._max_bytes = max_bytes
        self._declares = declares
        self._may_grow = may_grow
        self._appended = False
        self._signalled = False
        self._wake = threading.Condition()
        database.after_commit.append(self._committed)

    def append(self, connection: sqlite3.Connection, bodies: Sequence[bytes]) -> int:
        """Add items in the caller's transaction; return how many old ones had to be dropped."""
        if not bodies:
            return 0
        now_ms = clock.now_ms()
        connection.executemany(
            f"INSERT INTO {self.name} (at_ms, body) VALUES (?, ?)",  # noqa: S608 (checked above)
            [(now_ms, body) for body in bodies],
        )
        added = sum(map(_cost, bodies))
        add(connection, f"{self.name}.bytes", added)
        add(connection, f"{self.name}.count", len(bodies))
        self._appended = True
        return self._enforce_bound(connection, added)

    def peek(self, *, max_count: int, max_bytes: int) -> Batch | None:
        """Return the oldest items up to both bounds, at least one, and what was dropped; None when
        there is neither."""
        bodies: list[bytes] = []
        size, first_seq = 0, 0
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT seq, body FROM {self.name} ORDER BY seq LIMIT ?",  # noqa: S608
                (max_count,),
            )
            for seq, body in rows:
                size += len(body) + 1
                if bodies and size > max_bytes:
                    break
                first_seq = first_seq or seq
                bodies.append(bytes(body))
            rows.close()
            dropped = declared(connection) if self._declares else ()
            if not bodies and not dropped:
                return None
            return Batch(
                epoch(connection), first_seq or self._next_seq(connection), bodies, dropped
            )

    def ack(self, batch: Batch, *, refused: int = 0) -> None:
        """Delete what the server has, and what it was told of drops. `refused`: how many of the
        items it will never take."""
        with self._database.transaction() as connection:
            if batch.epoch != epoch(connection):
                return  # the file was set aside meanwhile; these numbers mean other items now
            if batch.dropped:
                forget(connection, batch.dropped)
            self._delete_up_to(connection, batch.last_seq)
            add(connection, f"{self.name}.refused", refused)
            add(connection, f"{self.name}.sent", len(batch.bodies) - refused)

    def set_aside(self, batch: Batch, reason: str, *, keep: bool = True) -> None:
        """Move what the server refuses as a whole out of the way; `keep`: for a person to look at.
        What was dropped before is told with the next batch."""
        with self._database.transaction() as connection:
            if batch.epoch != epoch(connection):
                return
            now_ms = clock.now_ms()
            connection.executemany(
                "INSERT INTO refused (queue, seq, at_ms, reason, body) VALUES (?, ?, ?, ?, ?)",
                [
                    (self.name, batch.first_seq + i, now_ms, reason, body)
                    for i, body in enumerate(batch.bodies if keep else ())
                ],
            )
            connection.execute(
                "DELETE FROM refused WHERE n <= (SELECT max(n) FROM refused) - ?", (REFUSED_KEPT,)
            )
            if self._declares:
                declare(connection, batch.first_seq, batch.last_seq)
            self._delete_up_to(connection, batch.last_seq)
            add(connection, f"{self.name}.refused", len(batch.bodies))

    def drop_unknown(self) -> int:
        """Drop everything that waits: the server does not know such samples. Return how much."""
        with self._database.transaction() as connection:
            count = counter(connection, f"{self.name}.count")
            (last_seq,) = connection.execute(
                f"SELECT coalesce(max(seq), 0) FROM {self.name}"  # noqa: S608
            ).fetchone()
            self._delete_up_to(connection, last_seq)
            add(connection, f"{self.name}.{NOT_KNOWN}", count)
        return count

    def wait(self, timeout_s: float) -> None:
        """Return when something was appended since the last call, `wake` or after `timeout_s`."""
        with self._wake:
            self._wake.wait_for(lambda: self._signalled, timeout_s)
            self._signalled = False

    def wake(self) -> None:
        """Make a waiting thread look again."""
        with self._wake:
            self._signalled = True
            self._wake.notify_all()

    def _committed(self) -> None:
        if self._appended:
            self._appended = False
            self.wake()

    def _enforce_bound(self, connection: sqlite3.Connection, added: int) -> int:
        used = counter(connection, f"{self.name}.bytes")
        excess = used - self._max_bytes
        if excess <= 0 and used > FLOOR_BYTES and not self._may_grow():
            excess = added  # no growth: as much goes as came
        if excess <= 0:
            return 0
        freed, first_seq, last_seq, dropped = 0, 0, 0, 0
        rows = connection.execute(f"SELECT seq, length(body) FROM {self.name} ORDER BY seq")  # noqa: S608
        for seq, length in rows:
            freed += length + ROW_OVERHEAD_BYTES
            first_seq = first_seq or seq
            last_seq, dropped = seq, dropped + 1
            if freed >= excess:
                break
        rows.close()
        if self._declares:
            declare(connection, first_seq, last_seq)
        self._delete_up_to(connection, last_seq)
        add(connection, f"{self.name}.dropped", dropped)
        return dropped

    def _next_seq(self, connection: sqlite3.Connection) -> int:
        row = connection.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = ?", (self.name,)
        ).fetchone()
        return int(row[0]) + 1 if row else 1

    def _delete_up_to(self, connection: sqlite3.Connection, last_seq: int) -> None:
        where = f"FROM {self.name} WHERE seq <= ?"
        count, size = connection.execute(
            f"SELECT count(*), coalesce(sum(length(body)), 0) {where}",
            (last_seq,),
        ).fetchone()
        connection.execute(f"DELETE {where}", (last_seq,))
        add(connection, f"{self.name}.count", -count)
        add(connection, f"{self.name}.bytes", -(size + count * ROW_OVERHEAD_BYTES))


def _cost(body: bytes) -> int:
    return len(body) + ROW_OVERHEAD_BYTES
