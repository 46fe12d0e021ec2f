"""A bounded FIFO on disk: append, peek, ack. Nothing leaves it before the server has it."""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from agent import clock
from agent.errors import SpoolError
from agent.logs import RateLimitedLog
from agent.spool.clock_steps import ClockSteps
from agent.spool.compression import LOOSE_ITEMS, CompressedBlocks, DamagedBlock
from agent.spool.database import Database
from agent.spool.items import ROW_OVERHEAD_BYTES, Items, Run
from agent.spool.postponed import PostponedItems
from agent.spool.retention import (
    AgeLimit,
    Ranges,
    forget_dropped,
    read_dropped,
    record_dropped,
)
from agent.spool.schema import NOT_KNOWN, QUEUES
from agent.spool.transaction import Transaction

logger = logging.getLogger(__name__)

MAX_REFUSED = 10_000
# A queue may have this much on the fullest of disks, or nothing would ever pass.
FLOOR_BYTES = 16 * 1024**2


@dataclass(frozen=True)
class Batch:
    """The oldest items, in order; their sequence numbers are `first_seq` and those after it, in the
    numbering `epoch`. `dropped`: ranges of numbers that will never come. Without items `first_seq`
    is the number the next one will have. `postponed`: the server refused them before, for a cause
    that passes. `clock_set_ms`: how much this node's clock was set forward since they were taken;
    negative when it was set back."""

    epoch: str
    first_seq: int
    bodies: list[bytes]
    dropped: Ranges = ()
    postponed: bool = False
    clock_set_ms: int = 0

    @property
    def last_seq(self) -> int:
        return self.first_seq + len(self.bodies) - 1


class Queue:
    """One queue of the spool. Sequence numbers are never used twice and have no holes, except
    where items were dropped at the old end, set aside or postponed.

    `of_events`: the server is sent the numbers of those, items that wait long are compressed, and
    refused items can wait for another try. `may_grow`: whether the disk has free space.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        *,
        max_bytes: int,
        max_age_s: float,
        may_grow: Callable[[], bool],
        of_events: bool = False,
    ) -> None:
        if name not in QUEUES:
            raise ValueError(name)  # names become part of SQL
        self.name = name
        self._max_bytes = max_bytes
        self._database = database
        self._reports_drops = of_events
        self._blocks = CompressedBlocks(name) if of_events else None
        self._postponed = PostponedItems(name) if of_events else None
        self.clock_steps = ClockSteps() if of_events else None
        self._stores = [self._blocks, Items(name)] if self._blocks else [Items(name)]
        self._may_grow = may_grow
        self._age_limit = AgeLimit(name, max_age_s=max_age_s)
        self._listeners: list[Callable[[], None]] = []
        self._warnings = RateLimitedLog(logger)
        # The server has everything up to here of this numbering, though it could not be deleted: a
        # disk too full even for that must not make us send the same again and again.
        self._acked = ("", 0)

    def on_append(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every commit in which something was appended."""
        self._listeners.append(listener)

    def waiting_count(self) -> int:
        """Return how many items wait. Raises SpoolError."""
        with self._database.read() as tx:
            return tx.counter(f"{self.name}.count")

    @property
    def can_postpone(self) -> bool:
        return self._postponed is not None

    def has_postponed(self) -> bool:
        """Return whether any item waits apart. Raises SpoolError."""
        if self._postponed is None:
            return False
        with self._database.read() as tx:
            return self._postponed.oldest(tx) is not None

    def append(self, tx: Transaction, bodies: Sequence[bytes]) -> None:
        """Add items. Past a bound the oldest are dropped and counted."""
        if not bodies:
            return
        now_ms = clock.now_ms()
        if self.clock_steps is not None:
            self.clock_steps.note(tx, lambda: self._next_seq(tx))
        tx.execute_many(
            f"INSERT INTO {self.name} (at_ms, body) VALUES (?, ?)",  # noqa: S608 (checked above)
            [(now_ms, body) for body in bodies],
        )
        added = sum(map(len, bodies)) + len(bodies) * ROW_OVERHEAD_BYTES
        self._count(tx, len(bodies), added)
        tx.on_commit += self._listeners
        if self._blocks is not None and tx.counter(f"{self.name}.count") > LOOSE_ITEMS:
            saved = self._blocks.compress_oldest(tx)
            self._count(tx, 0, -saved)
        if dropped := self._enforce_age(tx) + self._enforce_bound(tx, added):
            self._warnings.warn(
                "full",
                "The spool is full: the oldest %s are dropped and counted (%d now)."
                " See `mallard-agent spool`; is the server reachable?",
                self.name,
                dropped,
            )

    def peek(self, *, max_count: int, max_bytes: int) -> Batch | None:
        """Return the oldest items up to both bounds, at least one, and the ranges that were
        dropped; None when there is neither."""
        while True:
            try:
                return self._peek(Run(max_count=max_count, max_bytes=max_bytes))
            except DamagedBlock as damaged:
                self._drop_damaged(damaged)

    def ack(self, batch: Batch, *, refused: int = 0, postponed: Collection[int] = ()) -> None:
        """Delete the items and the records of drops that the server has. `refused`: how many of
        the items it will never take; `postponed`: places in the batch of those to send again
        later. When this raises SpoolError, the items are not sent again but by another process,
        unless some are postponed."""
        if batch.postponed and self._postponed is not None:
            self._postponed.pass_by(batch.last_seq)
        try:
            with self._database.begin() as tx:
                if batch.epoch != tx.epoch():
                    return  # the file was set aside meanwhile: these are numbers of other items now
                if batch.dropped:
                    forget_dropped(tx, batch.dropped)
                self._remove(tx, batch, postponed)
                tx.add(f"{self.name}.refused", refused)
                tx.add(f"{self.name}.sent", len(batch.bodies) - refused - len(postponed))
            self._database.shrink()
        except SpoolError:
            if not postponed and not batch.postponed:
                self._acked = (batch.epoch, batch.last_seq)
            raise

    def set_aside(self, batch: Batch, reason: str, *, keep: bool = True) -> None:
        """Remove a batch that the server refuses; `keep`: into a table for a person to look at.
        Its records of drops go with the next batch."""
        with self._database.begin() as tx:
            if batch.epoch != tx.epoch():
                return
            now_ms = clock.now_ms()
            tx.execute_many(
                "INSERT INTO refused (queue, seq, at_ms, reason, body) VALUES (?, ?, ?, ?, ?)",
                [
                    (self.name, batch.first_seq + i, now_ms, reason, body)
                    for i, body in enumerate(batch.bodies if keep else ())
                ],
            )
            tx.execute(
                "DELETE FROM refused WHERE n <= (SELECT max(n) FROM refused) - ?", (MAX_REFUSED,)
            )
            if self._reports_drops and not batch.postponed:
                record_dropped(tx, batch.first_seq, batch.last_seq)
            self._remove(tx, batch)
            tx.add(f"{self.name}.refused", len(batch.bodies))

    def drop_unknown(self) -> int:
        """Drop all items, since the server does not know such samples; return how many."""
        with self._database.begin() as tx:
            count = tx.counter(f"{self.name}.count")
            self._delete_up_to(tx, self._next_seq(tx) - 1)
            tx.add(f"{self.name}.{NOT_KNOWN}", count)
        return count

    def _peek(self, run: Run) -> Batch | None:
        with self._database.read() as tx:
            epoch = tx.epoch()
            if self._postponed is not None:
                self._postponed.peek_due(tx, run)
                if run.bodies:
                    bodies, set_ms = self._of_one_clock(tx, run)
                    return Batch(epoch, run.first_seq, bodies, postponed=True, clock_set_ms=set_ms)
            acked = self._acked[1] if self._acked[0] == epoch else 0
            for store in self._stores:
                if not store.peek(tx, run, after=acked):
                    break
            dropped = read_dropped(tx) if self._reports_drops else ()
            if not run.bodies and not dropped:
                return None
            bodies, set_ms = self._of_one_clock(tx, run)
            first_seq = run.first_seq or self._next_seq(tx)
            return Batch(epoch, first_seq, bodies, dropped, clock_set_ms=set_ms)

    def _of_one_clock(self, tx: Transaction, run: Run) -> tuple[list[bytes], int]:
        """Return the first items that were captured by one clock, and by how much it was set
        forward since."""
        if self.clock_steps is None or not run.bodies:
            return run.bodies, 0
        set_ms, next_seq = self.clock_steps.find_set_ms(tx, run.first_seq)
        return run.bodies[: next_seq - run.first_seq if next_seq else None], set_ms

    def _drop_damaged(self, damaged: DamagedBlock) -> None:
        with self._database.begin() as tx:
            count = damaged.last_seq - damaged.first_seq + 1
            if self._reports_drops:
                record_dropped(tx, damaged.first_seq, damaged.last_seq)
            self._delete_up_to(tx, damaged.last_seq)
            tx.add(f"{self.name}.dropped", count)
        logger.error(
            "%d of the %s in the spool cannot be read again: dropped and counted.", count, self.name
        )

    def _enforce_age(self, tx: Transaction) -> int:
        last_seq = self._age_limit.find_expired(tx, lambda: self._next_seq(tx) - 1)
        return self._drop_up_to(tx, last_seq) if last_seq else 0

    def _enforce_bound(self, tx: Transaction, added: int) -> int:
        used = tx.counter(f"{self.name}.bytes")
        excess = used - self._max_bytes
        if excess <= 0 and used > FLOOR_BYTES and not self._may_grow():
            excess = added  # no growth: as much goes as came
        if excess <= 0:
            return 0
        dropped = last_seq = 0
        if self._postponed is not None:
            last_postponed, freed = self._postponed.find_oldest(tx, excess_bytes=excess)
            dropped = self._drop_postponed(tx, last_postponed)
            excess -= freed
        for store in self._stores:
            if excess > 0:
                last, freed = store.find_oldest(tx, excess_bytes=excess)
                last_seq = max(last_seq, last)
                excess -= freed
        return dropped + self._drop_up_to(tx, last_seq)

    def _drop_postponed(self, tx: Transaction, last_seq: int) -> int:
        """Drop and count the postponed items up to a number. The server knows them as refused."""
        if self._postponed is None or not last_seq:
            return 0
        count, size = self._postponed.delete_up_to(tx, last_seq)
        self._count(tx, -count, -size)
        tx.add(f"{self.name}.dropped", count)
        return count

    def _drop_up_to(self, tx: Transaction, last_seq: int) -> int:
        """Drop, count and record everything up to a number that the server does not have."""
        postponed = self._drop_postponed(tx, last_seq)
        first_seq, _ = self._oldest(tx)
        # Items that it has and that could not be deleted yet are no loss.
        if self._acked[0] == tx.epoch():
            first_seq = max(first_seq, self._acked[1] + 1)
        self._delete_up_to(tx, last_seq)
        dropped = last_seq - first_seq + 1
        if not first_seq or dropped <= 0:
            return postponed
        if self._reports_drops:
            record_dropped(tx, first_seq, last_seq)
        tx.add(f"{self.name}.dropped", dropped)
        return postponed + dropped

    def _oldest(self, tx: Transaction) -> tuple[int, int]:
        """Return number and time of the oldest item not postponed; 0 and now without any."""
        for store in self._stores:
            if oldest := store.oldest(tx):
                return oldest
        return 0, clock.now_ms()

    def _next_seq(self, tx: Transaction) -> int:
        row = tx.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (self.name,)).fetchone()
        return int(row[0]) + 1 if row else 1

    def _remove(self, tx: Transaction, batch: Batch, postponed: Collection[int] = ()) -> None:
        """Delete the items of a batch, except those to send again later, by their places in it."""
        items = [(batch.first_seq + place, batch.bodies[place]) for place in sorted(postponed)]
        if batch.postponed and self._postponed is not None:
            numbered = enumerate(batch.bodies, batch.first_seq)
            gone = [item for place, item in enumerate(numbered) if place not in postponed]
            count, size = self._postponed.delete(tx, gone)
            self._count(tx, -count, -size)
            return
        _, at_ms = self._oldest(tx)
        self._delete_up_to(tx, batch.last_seq)
        if items and self._postponed is not None:
            self._postponed.add(tx, at_ms, items)
            size = sum(len(body) for _, body in items)
            self._count(tx, len(items), size + len(items) * ROW_OVERHEAD_BYTES)

    def _delete_up_to(self, tx: Transaction, last_seq: int) -> None:
        for store in self._stores:
            count, size = store.delete_up_to(tx, last_seq)
            self._count(tx, -count, -size)

    def _count(self, tx: Transaction, count: int, size_bytes: int) -> None:
        tx.add(f"{self.name}.count", count)
        tx.add(f"{self.name}.bytes", size_bytes)
