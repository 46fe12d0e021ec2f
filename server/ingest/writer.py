"""The writer of the inbox: drain, store, acknowledge, publish. Called by the actors."""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from time import monotonic, sleep

import msgspec
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from server.ingest.inbox import EVENTS, SAMPLES, Entry, Inbox, StreamEntry
from server.ingest.models import DeadLetter
from server.ingest.parsing.batch import decode_sample
from server.ledger.merge import NumberedBatch
from server.live import publisher
from server.metrics.wire import SystemSample
from server.nodes import store as nodes
from server.storage.samples_writer import write_samples
from server.storage.transaction import write_events

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

Rows = list[StreamEntry]


def drain(
    inbox: Inbox,
    store: Callable[[Sequence[Entry]], None],
    *,
    wake_second_writer: Callable[[], object] | None = None,
) -> bool:
    """Store the entries of `inbox` until it is empty or MAX_DRAIN_S is over; True: there is more.

    `wake_second_writer`: with two writers, one reads and stages while the other commits.
    Raises OperationalError when the database stays unavailable; nothing is acknowledged then.
    """
    consumer = f"{os.uname().nodename}-{os.getpid()}-{threading.get_ident()}"
    deadline = monotonic() + MAX_DRAIN_S
    may_be_abandoned = True
    while monotonic() < deadline:
        inbox.renew_wakeup()
        # By turns, so that neither new entries nor a dead writer's wait for all of the other.
        claimed = _claim_abandoned(inbox, consumer) if may_be_abandoned else []
        may_be_abandoned = bool(claimed)
        rows = claimed + _read_batch(inbox, consumer, wait_ms=None if claimed else IDLE_MS)
        if not rows:
            inbox.mark_idle()
            # An entry appended before the flag was cleared woke no writer: look once more.
            rows = inbox.read(consumer, count=READ_ENTRIES, block_ms=None)
            if not rows:
                return False
        if (
            wake_second_writer
            and _count(rows) >= settings.WRITER_MAX_EVENTS
            and inbox.claim_second_writer()
        ):
            wake_second_writer()
        for part in _transactions(rows, settings.WRITER_MAX_EVENTS):
            inbox.renew_wakeup()
            _store_or_split([row.entry for row in part], inbox.kind, store)
            inbox.acknowledge(part)
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
        (entry.received_at, decode_sample(line))
        for entry in entries
        for line in entry.payload.split(b"\n")
    ]
    write_samples([sample for _, sample in samples])
    seen: dict[str, float] = {}
    for received_at, sample in samples:
        if isinstance(sample, SystemSample):
            seen[sample.node_id] = max(seen.get(sample.node_id, 0.0), received_at)
    for name, node_id in nodes.node_ids(seen).items():
        nodes.record_contact(node_id, datetime.fromtimestamp(seen[name], UTC))


def _numbered_batches(entries: Sequence[Entry]) -> list[NumberedBatch]:
    return [
        NumberedBatch(
            # A key without a node has no ledger of its own: its holder is unknown.
            node=entry.node or "",
            epoch=entry.epoch,
            first_seq=entry.first_seq,
            count=entry.count + entry.refused,
            refused=entry.refused,
            received_at=datetime.fromtimestamp(entry.received_at, UTC),
            dropped=entry.dropped,
        )
        for entry in entries
        if entry.epoch is not None
    ]


drain_events = partial(drain, EVENTS, store_events)
drain_samples = partial(drain, SAMPLES, store_samples)


def _claim_abandoned(inbox: Inbox, consumer: str) -> Rows:
    """Claim entries that others took and never stored: enough for one transaction, or all."""
    rows: Rows = []
    events = 0
    after_ms = settings.WRITER_CLAIM_AFTER_MS
    for more in inbox.claim(consumer, count=READ_ENTRIES, idle_ms=after_ms):
        rows += more
        events += _count(more)
        if events >= settings.WRITER_MAX_EVENTS:
            break
    return rows


def _read_batch(inbox: Inbox, consumer: str, *, wait_ms: int | None) -> Rows:
    """Read until there are enough events for one transaction, or none came for the linger.

    `wait_ms`: how long to wait for the first; None: not at all.
    """
    rows = inbox.read(consumer, count=READ_ENTRIES, block_ms=wait_ms)
    deadline = monotonic() + settings.WRITER_LINGER_MS / 1000
    events = _count(rows)
    while rows and (missing := settings.WRITER_MAX_EVENTS - events) > 0 and monotonic() < deadline:
        fitting = max(1, min(READ_ENTRIES, missing * len(rows) // max(1, events)))
        more = inbox.read(consumer, count=fitting, block_ms=settings.WRITER_LINGER_MS)
        if not more:
            break
        rows += more
        events += _count(more)
    return rows


def _count(rows: Rows) -> int:
    return sum(row.entry.count for row in rows)


def _transactions(rows: Rows, max_events: int) -> Iterator[Rows]:
    """Yield `rows` in parts that each reach `max_events` with their last entry, or end."""
    part: Rows = []
    events = 0
    for row in rows:
        part.append(row)
        events += row.entry.count
        if events >= max_events:
            yield part
            part, events = [], 0
    if part:
        yield part


def _store_or_split(
    entries: Sequence[Entry], kind: str, store: Callable[[Sequence[Entry]], None]
) -> None:
    """Store `entries`; if the database refuses them, bisect until the refused line stands alone."""
    try:
        _with_retries(lambda: store(entries))
    except (OperationalError, InterfaceError):
        raise
    except (DatabaseError, ValueError) as error:
        parts = _bisect(entries)
        if not parts:
            _dead_letter(entries[0], kind, error)
        if len(entries) == 1:
            # Each line will be stored or become a dead letter: all its numbers have arrived.
            _with_retries(lambda: write_events([], _numbered_batches(entries)))
        for part in parts:
            _store_or_split(part, kind, store)


def _bisect(entries: Sequence[Entry]) -> Sequence[Sequence[Entry]]:
    """Return two halves of `entries`, splitting a lone entry by its lines; none of one line."""
    if len(entries) > 1:
        middle = len(entries) // 2
        return entries[:middle], entries[middle:]
    (entry,) = entries
    lines = entry.payload.split(b"\n")
    if len(lines) == 1:
        return []
    middle = len(lines) // 2
    return [
        # Without its numbers: they were entered when the batch was first split.
        [msgspec.structs.replace(entry, count=len(part), payload=b"\n".join(part), epoch=None)]
        for part in (lines[:middle], lines[middle:])
    ]


def _dead_letter(entry: Entry, kind: str, error: Exception) -> None:
    logger.error("Cannot store one of the %s, it is now a dead letter: %s", kind, error)
    DeadLetter.objects.create(
        kind=kind,
        node=entry.node or "",
        reason=str(error)[:2000],
        payload=entry.payload.decode(errors="replace"),
    )


def _with_retries(call: Callable[[], object]) -> None:
    for wait_s in RETRY_AFTER_S:
        try:
            call()
        except (OperationalError, InterfaceError) as error:
            logger.warning("The database is unavailable, trying again in %s s: %s", wait_s, error)
            connection.close()
            sleep(wait_s)
        else:
            return
    call()
