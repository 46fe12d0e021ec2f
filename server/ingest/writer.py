"""The writer of the inbox: drain, store, acknowledge, publish. Called by the actors."""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from time import monotonic, sleep
from typing import TypeVar

import msgspec
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from psycopg2.errorcodes import QUERY_CANCELED

from server.ingest import dead_letters
from server.ingest.errors import InboxFull
from server.ingest.inbox import EVENTS, SAMPLES, Entry, Inbox, StreamEntry
from server.ingest.parsing.batch import decode_sample
from server.ledger.merge import NumberedBatch
from server.live import publisher
from server.metrics.wire import SystemSample
from server.nodes import store as nodes
from server.storage.samples_writer import write_samples
from server.storage.transaction import write_events
from server.storage.transaction_size import TransactionSize

logger = logging.getLogger(__name__)

#: How long one message occupies a worker thread; then it hands over, so that a stop takes effect.
MAX_DRAIN_S = 5.0
#: How long a writer waits for more before it goes: a cold wake-up costs more than this wait.
IDLE_MS = 500
#: Entries of one read. An entry may hold one event or thousands, so a read is small, and its
#: entries are stored in transactions of about WRITER_MAX_EVENTS.
READ_ENTRIES = 100
#: Retries in place when the database is unavailable; entries still unstored then are claimed later.
RETRY_AFTER_S = (0.2, 1.0, 3.0)

#: How long a drain is busy with what waits apart, after all else: that waits meanwhile.
MAX_APART_S = 2.0
_MAY_BE_REFUSALS = (
    DatabaseError, InterfaceError, ValueError, LookupError, ArithmeticError, msgspec.MsgspecError
)  # fmt: skip

Item = TypeVar("Item")
Rows = list[StreamEntry]
Store = Callable[[Sequence[Entry]], None]

_sizes = {inbox.kind: TransactionSize() for inbox in (EVENTS, SAMPLES)}


def drain(
    inbox: Inbox,
    store: Store,
    *,
    wake_second_writer: Callable[[], object] | None = None,
) -> bool:
    """Store the entries of `inbox` until it is empty or MAX_DRAIN_S is over; True: there is more.

    `wake_second_writer`: with two writers, one reads and stages while the other commits.
    Raises OperationalError when the database stays unavailable; nothing is acknowledged then.
    """
    consumer = f"{os.uname().nodename}-{os.getpid()}-{threading.get_ident()}"
    deadline = monotonic() + MAX_DRAIN_S
    may_be_abandoned, size = True, _sizes[inbox.kind]
    while monotonic() < deadline:
        inbox.renew_wakeup()
        # By turns, so that neither new entries nor a dead writer's wait for all of the other.
        claimed = _claim_abandoned(inbox, consumer, size) if may_be_abandoned else []
        may_be_abandoned = bool(claimed)
        rows = claimed + _read_batch(inbox, consumer, size, wait_ms=None if claimed else IDLE_MS)
        if not rows:
            inbox.mark_idle()
            # An entry appended before the flag was cleared woke no writer: look once more.
            rows = inbox.read(consumer, count=READ_ENTRIES, block_ms=None)
            if not rows:
                return _store_apart(inbox, consumer, store)
        if wake_second_writer and _count(rows) >= size.max_events and inbox.claim_second_writer():
            wake_second_writer()
        for part in _transactions(rows, size):
            inbox.renew_wakeup()
            with size.measure():
                _store_or_set_apart(inbox, part, store)
    _store_apart(inbox, consumer, store)
    return True


def store_events(entries: Sequence[Entry]) -> None:
    """Store the events of `entries` once and publish the new ones."""
    lines = [
        line for entry in entries if entry.count for line in entry.payload.decode().split("\n")
    ]
    publisher.publish(write_events(lines, _numbered_batches(entries)))


def store_samples(entries: Sequence[Entry]) -> None:
    """Store the samples of `entries`, and move last_seen_at of the nodes with system samples."""
    samples = [
        (entry, decode_sample(line)) for entry in entries for line in entry.payload.split(b"\n")
    ]
    write_samples([sample for _, sample in samples])
    seen: dict[str, list[Entry]] = {}
    for entry, sample in samples:
        if isinstance(sample, SystemSample):
            seen.setdefault(sample.node_id, []).append(entry)
    for name, node_id in nodes.node_ids(seen).items():
        first, last = (of(seen[name], key=attrgetter("received_at")) for of in (min, max))
        first_at, at = (datetime.fromtimestamp(of.received_at, UTC) for of in (first, last))
        nodes.record_contact(node_id, at, first_at=first_at, clock_ahead_ms=last.clock_ahead_ms)


def _numbered_batches(entries: Sequence[Entry]) -> list[NumberedBatch]:
    return [
        NumberedBatch(
            node=entry.node or "",
            epoch=entry.epoch,
            first_seq=entry.first_seq,
            count=entry.count + entry.refused,
            refused=entry.refused,
            received_at=datetime.fromtimestamp(entry.received_at, UTC),
            dropped=entry.dropped,
            refused_ranges=entry.refused_ranges,
        )
        for entry in entries
        if entry.epoch is not None
    ]


drain_events = partial(drain, EVENTS, store_events)
drain_samples = partial(drain, SAMPLES, store_samples)


def _claim_abandoned(inbox: Inbox, consumer: str, size: TransactionSize) -> Rows:
    """Claim entries that others took and never stored: enough for one transaction, or all."""
    rows: Rows = []
    events = 0
    after_ms = settings.WRITER_CLAIM_AFTER_MS
    for more in inbox.claim(consumer, count=READ_ENTRIES, idle_ms=after_ms):
        rows += more
        events += _count(more)
        if events >= size.max_events:
            break
    return rows


def _read_batch(inbox: Inbox, consumer: str, size: TransactionSize, *, wait_ms: int | None) -> Rows:
    """Read until there are enough events for one transaction, or none came for the linger.

    `wait_ms`: how long to wait for the first; None: not at all.
    """
    rows = inbox.read(consumer, count=READ_ENTRIES, block_ms=wait_ms)
    deadline = monotonic() + settings.WRITER_LINGER_MS / 1000
    events = _count(rows)
    while rows and (missing := size.max_events - events) > 0 and monotonic() < deadline:
        fitting = max(1, min(READ_ENTRIES, missing * len(rows) // max(1, events)))
        more = inbox.read(consumer, count=fitting, block_ms=settings.WRITER_LINGER_MS)
        if not more:
            break
        rows += more
        events += _count(more)
    return rows


def _count(rows: Rows) -> int:
    return sum(row.entry.count for row in rows)


def _transactions(rows: Rows, size: TransactionSize) -> Iterator[Rows]:
    """Yield `rows` in parts that each reach the size with their last entry, or end."""
    part: Rows = []
    events = 0
    for row in rows:
        part.append(row)
        events += row.entry.count
        if events >= size.max_events:
            yield part
            part, events = [], 0
    if part:
        yield part


def _store_or_set_apart(inbox: Inbox, rows: Rows, store: Store) -> None:
    """Store entries and acknowledge them; what the database refuses, halve until the refused entry
    stands alone, and let that one wait apart."""
    try:
        _with_retries(lambda: store([row.entry for row in rows]))
    except _MAY_BE_REFUSALS as error:
        if not _is_refusal(error):
            raise
        if len(rows) > 1:
            for part in _halve(rows):
                _store_or_set_apart(inbox, part, store)
            return
        _set_apart(inbox, rows[0], error)
    else:
        inbox.acknowledge(rows)


def _set_apart(inbox: Inbox, row: StreamEntry, error: Exception) -> None:
    entry = row.entry
    logger.warning("A batch of %s of %s waits apart: %s", inbox.kind, entry.node, error)
    # Each line will be stored or become a dead letter: all its numbers have arrived.
    _with_retries(lambda: write_events([], _numbered_batches([entry])))
    # Up to half of the bound, so that there is always room for what is left of one.
    try:
        if 2 * inbox.apart.size_bytes() > settings.INBOX_MAX_BYTES:
            raise InboxFull
        inbox.apart.append(msgspec.structs.replace(entry, epoch=None))
    except InboxFull:
        logger.error("Too many batches wait apart: this one is tried again later")
    else:
        inbox.acknowledge([row])


def _store_apart(inbox: Inbox, consumer: str, store: Store) -> bool:
    """Store what waits apart for MAX_APART_S, one entry at a time; return whether there is more.

    What is left of an entry then waits in its place, so that the next writer goes on from there.
    """
    apart = inbox.apart
    deadline = monotonic() + MAX_APART_S
    while rows := _claim_one(apart, consumer) or apart.read(consumer, count=1, block_ms=None):
        for row in rows:
            rest = _store_lines(inbox, row.entry, store, deadline)
            with suppress(InboxFull):  # then it is claimed and begun anew
                for part in rest:
                    apart.append(_part_of(row.entry, part))
                apart.acknowledge([row])
        if monotonic() >= deadline:
            return apart.length() > 0
    return False


def _claim_one(apart: Inbox, consumer: str) -> Rows:
    claimed = apart.claim(consumer, count=1, idle_ms=settings.WRITER_CLAIM_AFTER_MS)
    return next(filter(None, claimed), [])


def _store_lines(inbox: Inbox, entry: Entry, store: Store, deadline: float) -> list[list[bytes]]:
    """Store the lines of an entry by halves, until `deadline` but at least one; return the others,
    divided as far as they took too long.

    A line that is refused alone becomes a dead letter. One that alone takes too long does not.
    """
    parts, has_progress, is_slow = [entry.payload.split(b"\n")], False, False
    while parts and (monotonic() < deadline or not has_progress):
        inbox.renew_wakeup()
        part = parts.pop()
        try:
            _with_retries(partial(store, [_part_of(entry, part)]))
        except _MAY_BE_REFUSALS as error:
            if not _is_refusal(error):
                raise
            is_slow = is_slow or _is_too_slow(error)
            if len(part) > 1:
                parts += reversed(_halve(part))
                has_progress = has_progress or is_slow
                continue
            if _is_too_slow(error):
                parts.append(part)
                break
            dead_letters.keep(inbox.kind, _part_of(entry, part), error)
        has_progress = True
    parts.reverse()
    return parts if is_slow or not parts else [[line for part in parts for line in part]]


def _part_of(entry: Entry, lines: list[bytes]) -> Entry:
    return msgspec.structs.replace(entry, count=len(lines), payload=b"\n".join(lines))


def _halve(items: list[Item]) -> tuple[list[Item], list[Item]]:
    middle = len(items) // 2
    return items[:middle], items[middle:]


def _is_refusal(error: Exception) -> bool:
    """Return whether the entries are at fault, and not the database: that may do better later.

    Of PostgreSQL's classes of errors, 54 is its limits (a row too large for an index), and 42 is
    ours: a missing migration, a missing right. What takes too long may be less at once.
    """
    state = _sql_state(error)
    is_of_database = isinstance(error, (OperationalError, InterfaceError))
    is_at_fault = state.startswith("54") or _is_too_slow(error)
    return is_at_fault or not (is_of_database or state.startswith("42"))


def _is_too_slow(error: Exception) -> bool:
    """Return whether PostgreSQL ended a statement at its time limit."""
    return _sql_state(error) == QUERY_CANCELED


def _sql_state(error: Exception) -> str:
    return str(getattr(error.__cause__, "pgcode", None) or "")


def _with_retries(call: Callable[[], object]) -> None:
    for wait_s in RETRY_AFTER_S:
        try:
            call()
        except (OperationalError, InterfaceError) as error:
            if _is_too_slow(error):
                raise
            logger.warning("The database is unavailable, trying again in %s s: %s", wait_s, error)
            connection.close()
            sleep(wait_s)
        else:
            return
    call()
