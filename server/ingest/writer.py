"""From the inbox to the tables: drain, store, acknowledge, publish. The actors call this."""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from time import monotonic, sleep

import msgspec
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from server.ingest.batch import sample_of
from server.ingest.inbox import EVENTS, SAMPLES, Entry, Inbox, Waiting
from server.ingest.models import DeadLetter
from server.ledger.merge import Numbered
from server.live import publisher
from server.metrics.wire import SystemSample
from server.nodes import store as nodes
from server.storage.samples_writer import write_samples
from server.storage.transaction import write_events

logger = logging.getLogger(__name__)

#: How long one message keeps a worker thread; then it hands over, so that a stop is felt.
SHIFT_S = 5.0
#: How long a writer waits for more before it goes: a cold wake-up costs more than this wait.
IDLE_MS = 500
#: Entries of one read. An entry may hold one event or thousands, so a read is small, and what it
#: brings is stored in transactions of about WRITER_MAX_EVENTS.
READ_ENTRIES = 100
#: In-place retries when the database is away; what is still unstored then is claimed later.
RETRY_AFTER_S = (0.2, 1.0, 3.0)

Rows = list[Waiting]


def drain(
    inbox: Inbox,
    store: Callable[[Sequence[Entry]], None],
    *,
    call_help: Callable[[], object] | None = None,
) -> bool:
    """Store what waits in `inbox` until it is empty or the shift is over; True: there is more.

    `call_help` wakes another writer: with two, one reads and stages while the other commits.
    Raises OperationalError when the database stays away; nothing is acknowledged then.
    """
    consumer = f"{os.uname().nodename}-{os.getpid()}-{threading.get_ident()}"
    over = monotonic() + SHIFT_S
    may_be_left_behind = True
    while monotonic() < over:
        inbox.keep_awake()
        # By turns, so that neither new mail nor a dead writer's waits for all of the other.
        claimed = _left_behind(inbox, consumer) if may_be_left_behind else []
        may_be_left_behind = bool(claimed)
        rows = claimed + _gather(inbox, consumer, wait_ms=None if claimed else IDLE_MS)
        if not rows:
            inbox.fall_asleep()
            # What was appended before the flag fell woke nobody: look once more.
            rows = inbox.read(consumer, count=READ_ENTRIES, block_ms=None)
            if not rows:
                return False
        if call_help and _count(rows) >= settings.WRITER_MAX_EVENTS and inbox.claim_help():
            call_help()
        _store_rows(inbox, rows, store)
    return True


def store_events(entries: Sequence[Entry]) -> None:
    """Store the events of `entries` once and publish the new ones."""
    lines = [
        line for entry in entries if entry.count for line in entry.payload.decode().split("\n")
    ]
    publisher.publish(write_events(lines, _numbered(entries)))


def store_samples(entries: Sequence[Entry]) -> None:
    """Store the samples of `entries`, and move last_seen_at of the nodes whose system was read."""
    samples = [(entry.received_at, sample_of(line)) for entry in entries for line in _lines(entry)]
    write_samples([sample for _, sample in samples])
    seen: dict[str, float] = {}
    for received_at, sample in samples:
        if isinstance(sample, SystemSample):
            seen[sample.node_id] = max(seen.get(sample.node_id, 0.0), received_at)
    for name, node_id in nodes.node_ids(seen).items():
        nodes.heard(node_id, datetime.fromtimestamp(seen[name], UTC))


def _numbered(entries: Sequence[Entry]) -> list[Numbered]:
    return [
        Numbered(
            # A key of no node has no ledger of its own: its holder is unknown.
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


def drain_events(*, call_help: Callable[[], object] | None = None) -> bool:
    """Drain the inbox of events."""
    return drain(EVENTS, store_events, call_help=call_help)


def drain_samples(*, call_help: Callable[[], object] | None = None) -> bool:
    """Drain the inbox of samples."""
    return drain(SAMPLES, store_samples, call_help=call_help)


def _lines(entry: Entry) -> list[bytes]:
    return entry.payload.split(b"\n")


def _left_behind(inbox: Inbox, consumer: str) -> Rows:
    """Claim what others took and never stored: enough for one transaction, or all there is."""
    rows: Rows = []
    events = 0
    after_ms = settings.WRITER_CLAIM_AFTER_MS
    for more in inbox.claim(consumer, count=READ_ENTRIES, idle_ms=after_ms):
        rows += more
        events += _count(more)
        if events >= settings.WRITER_MAX_EVENTS:
            break
    return rows


def _gather(inbox: Inbox, consumer: str, *, wait_ms: int | None) -> Rows:
    """Read until there are enough events for one transaction, or none came for the linger.

    `wait_ms`: how long to wait for the first; None: not at all.
    """
    rows = inbox.read(consumer, count=READ_ENTRIES, block_ms=wait_ms)
    over = monotonic() + settings.WRITER_LINGER_MS / 1000
    events = _count(rows)
    while rows and (room := settings.WRITER_MAX_EVENTS - events) > 0 and monotonic() < over:
        fitting = max(1, min(READ_ENTRIES, room * len(rows) // max(1, events)))
        more = inbox.read(consumer, count=fitting, block_ms=settings.WRITER_LINGER_MS)
        if not more:
            break
        rows += more
        events += _count(more)
    return rows


def _count(rows: Rows) -> int:
    return sum(row.entry.count for row in rows)


def _store_rows(inbox: Inbox, rows: Rows, store: Callable[[Sequence[Entry]], None]) -> None:
    for part in _transactions(rows, settings.WRITER_MAX_EVENTS):
        inbox.keep_awake()
        _store_or_split([row.entry for row in part], inbox.kind, store)
        inbox.done(part)


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
    """Store `entries`; if the database refuses them, halve until the poison stands alone."""
    try:
        _with_retries(lambda: store(entries))
    except (OperationalError, InterfaceError):
        raise
    except (DatabaseError, ValueError) as error:
        parts = _halves(entries)
        if parts is None:
            _bury(entries[0], kind, error)
            _with_retries(lambda: write_events([], _numbered(entries)))
            return
        if len(entries) == 1:
            # Each of its lines will be stored or buried: all its numbers have arrived.
            _with_retries(lambda: write_events([], _numbered(entries)))
        for part in parts:
            _store_or_split(part, kind, store)


def _halves(entries: Sequence[Entry]) -> tuple[Sequence[Entry], Sequence[Entry]] | None:
    """Return two halves of `entries`, splitting a lone entry by its lines; None when it is one."""
    if len(entries) > 1:
        middle = len(entries) // 2
        return entries[:middle], entries[middle:]
    (entry,) = entries
    lines = entry.payload.split(b"\n")
    if len(lines) == 1:
        return None
    middle = len(lines) // 2
    first, second = (
        # Without its numbers: they were entered when the batch was first split.
        msgspec.structs.replace(entry, count=len(part), payload=b"\n".join(part), epoch=None)
        for part in (lines[:middle], lines[middle:])
    )
    return [first], [second]


def _bury(entry: Entry, kind: str, error: Exception) -> None:
    logger.error("One %s could not be stored and is a dead letter: %s", kind, error)
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
            logger.warning("The database is away, trying again in %s s: %s", wait_s, error)
            connection.close()
            sleep(wait_s)
        else:
            return
    call()
