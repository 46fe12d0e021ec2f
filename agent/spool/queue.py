"""A bounded FIFO on disk: append, peek, ack. Nothing leaves it before the server has it."""

import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent import clock
from agent.errors import SpoolError
from agent.spool.age import Age
from agent.spool.compression import LOOSE_ITEMS, DamagedPiece, Freed, PackedItems
from agent.spool.database import Database, add, counter, epoch, give_back
from agent.spool.dropped import Ranges, declare, declared, forget

logger = logging.getLogger(__name__)

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
    where items were dropped at the old end or set aside. `declares`: the server is told which.
    `packs`: what waits long is kept compressed."""

    def __init__(
        self,
        database: Database,
        name: str,
        *,
        max_bytes: int,
        max_age_s: float = float("inf"),
        declares: bool = False,
        packs: bool = False,
        may_grow: Callable[[], bool] = lambda: True,
    ) -> None:
        if name not in NAMES:
            raise ValueError(name)
        self.name = name
        self.max_bytes = max_bytes
        self._database = database
        self._declares = declares
        self._packed = PackedItems(name) if packs else None
        self._may_grow = may_grow
        self._age = Age(name, max_age_s=max_age_s)
        self._appended = False
        self._listeners: list[Callable[[], None]] = []
        # The server has everything up to here of this numbering, though it could not be deleted: a
        # disk too full even for that must not make us send the same again and again.
        self._acked = ("", 0)
        database.after_commit.append(self._committed)

    def on_append(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every commit in which something was appended."""
        self._listeners.append(listener)

    def waiting_count(self) -> int:
        """Return how many items wait. Raises SpoolError."""
        with self._database.reading() as connection:
            return counter(connection, f"{self.name}.count")

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
        self._count(connection, len(bodies), added)
        self._appended = True
        if self._packed is not None and counter(connection, f"{self.name}.count") > LOOSE_ITEMS:
            saved = self._packed.gather(connection, overhead_bytes=ROW_OVERHEAD_BYTES)
            self._count(connection, 0, -saved.size_bytes)
        return self._enforce_age(connection) + self._enforce_bound(connection, added)

    def peek(self, *, max_count: int, max_bytes: int) -> Batch | None:
        """Return the oldest items up to both bounds, at least one, and what was dropped; None when
        there is neither."""
        try:
            return self._peek(max_count=max_count, max_bytes=max_bytes)
        except DamagedPiece as damaged:
            self._drop_damaged(damaged)
        return self._peek(max_count=max_count, max_bytes=max_bytes)

    def ack(self, batch: Batch, *, refused: int = 0) -> None:
        """Delete what the server has, and what it was told of drops. `refused`: how many of the
        items it will never take. When this raises SpoolError, the items are not sent again but
        by another process."""
        try:
            self._delete_sent(batch, refused)
        except SpoolError:
            self._acked = (batch.epoch, batch.last_seq)
            raise

    def _delete_sent(self, batch: Batch, refused: int) -> None:
        with self._database.transaction() as connection:
            if batch.epoch != epoch(connection):
                return  # the file was set aside meanwhile; these numbers mean other items now
            if batch.dropped:
                forget(connection, batch.dropped)
            self._delete_up_to(connection, batch.last_seq)
            add(connection, f"{self.name}.refused", refused)
            add(connection, f"{self.name}.sent", len(batch.bodies) - refused)
        with self._database.reading() as connection:
            give_back(connection)

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
            self._delete_up_to(connection, self._next_seq(connection) - 1)
            add(connection, f"{self.name}.{NOT_KNOWN}", count)
        return count

    def _committed(self) -> None:
        if self._appended:
            self._appended = False
            for listener in self._listeners:
                listener()

    def _peek(self, *, max_count: int, max_bytes: int) -> Batch | None:
        bodies: list[bytes] = []
        first_seq, all_packed = 0, True
        with self._database.reading() as connection:
            name = epoch(connection)
            acked = self._acked[1] if self._acked[0] == name else 0
            if self._packed is not None:
                first_seq, bodies, all_packed = self._packed.peek(
                    connection, after=acked, max_count=max_count, max_bytes=max_bytes
                )
            if all_packed:
                first_seq = self._peek_loose(
                    connection, bodies, first_seq, acked, max_count=max_count, max_bytes=max_bytes
                )
            dropped = declared(connection) if self._declares else ()
            if not bodies and not dropped:
                return None
            return Batch(name, first_seq or self._next_seq(connection), bodies, dropped)

    def _peek_loose(
        self,
        connection: sqlite3.Connection,
        bodies: list[bytes],
        first_seq: int,
        acked: int,
        *,
        max_count: int,
        max_bytes: int,
    ) -> int:
        """Add loose items to `bodies`, which begin with number `first_seq`; return with which they
        begin now."""
        size = sum(map(len, bodies)) + len(bodies)
        rows = connection.execute(
            f"SELECT seq, body FROM {self.name} WHERE seq > ? ORDER BY seq LIMIT ?",  # noqa: S608
            (acked, max_count - len(bodies)),
        )
        for seq, body in rows:
            size += len(body) + 1
            if bodies and (size > max_bytes or seq != first_seq + len(bodies)):
                break
            first_seq = first_seq or seq
            bodies.append(bytes(body))
        rows.close()
        return first_seq

    def _drop_damaged(self, damaged: DamagedPiece) -> None:
        with self._database.transaction() as connection:
            count = damaged.last_seq - damaged.first_seq + 1
            if self._declares:
                declare(connection, damaged.first_seq, damaged.last_seq)
            self._delete_up_to(connection, damaged.last_seq)
            add(connection, f"{self.name}.dropped", count)
        logger.error(
            "%d of the %s in the spool cannot be read again: dropped and counted.", count, self.name
        )

    def _enforce_age(self, connection: sqlite3.Connection) -> int:
        last_seq = self._age.too_old(connection, lambda: self._next_seq(connection) - 1)
        return self._drop_up_to(connection, last_seq) if last_seq else 0

    def _enforce_bound(self, connection: sqlite3.Connection, added: int) -> int:
        used = counter(connection, f"{self.name}.bytes")
        excess = used - self.max_bytes
        if excess <= 0 and used > FLOOR_BYTES and not self._may_grow():
            excess = added  # no growth: as much goes as came
        if excess <= 0:
            return 0
        last_seq = 0
        if self._packed is not None and (
            found := self._packed.oldest(connection, excess_bytes=excess)
        ):
            last_seq, excess = found[1], excess - found[2]
        if excess > 0:
            rows = connection.execute(f"SELECT seq, length(body) FROM {self.name} ORDER BY seq")  # noqa: S608
            for seq, length in rows:
                last_seq, excess = seq, excess - length - ROW_OVERHEAD_BYTES
                if excess <= 0:
                    break
            rows.close()
        return self._drop_up_to(connection, last_seq)

    def _drop_up_to(self, connection: sqlite3.Connection, last_seq: int) -> int:
        """Drop, count and declare everything up to a number that the server does not have."""
        first_seq = self._first_seq(connection)
        # What it has and could not be deleted yet is no loss.
        if self._acked[0] == epoch(connection):
            first_seq = max(first_seq, self._acked[1] + 1)
        self._delete_up_to(connection, last_seq)
        dropped = last_seq - first_seq + 1
        if not first_seq or dropped <= 0:
            return 0
        if self._declares:
            declare(connection, first_seq, last_seq)
        add(connection, f"{self.name}.dropped", dropped)
        return dropped

    def _first_seq(self, connection: sqlite3.Connection) -> int:
        """Return the number of the oldest item; 0 without any."""
        tables = [self.name]
        if self._packed is not None:
            tables.insert(0, self._packed.table)
        for table in tables:
            column = "seq" if table == self.name else "first_seq"
            (first,) = connection.execute(f"SELECT min({column}) FROM {table}").fetchone()  # noqa: S608
            if first is not None:
                return int(first)
        return 0

    def _next_seq(self, connection: sqlite3.Connection) -> int:
        row = connection.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = ?", (self.name,)
        ).fetchone()
        return int(row[0]) + 1 if row else 1

    def _delete_up_to(self, connection: sqlite3.Connection, last_seq: int) -> None:
        freed = Freed()
        if self._packed is not None:
            freed = self._packed.delete_up_to(connection, last_seq)
        where = f"FROM {self.name} WHERE seq <= ?"
        count, size = connection.execute(
            f"SELECT count(*), coalesce(sum(length(body)), 0) {where}",
            (last_seq,),
        ).fetchone()
        connection.execute(f"DELETE {where}", (last_seq,))
        loose_bytes = size + count * ROW_OVERHEAD_BYTES
        self._count(connection, -count - freed.count, -loose_bytes - freed.size_bytes)

    def _count(self, connection: sqlite3.Connection, count: int, size_bytes: int) -> None:
        add(connection, f"{self.name}.count", count)
        add(connection, f"{self.name}.bytes", size_bytes)


def _cost(body: bytes) -> int:
    return len(body) + ROW_OVERHEAD_BYTES
