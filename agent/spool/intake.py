"""Events on their way into the queue, each once, whichever source it comes from."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from uuid import UUID

import msgspec

from agent import clock
from agent.logs import RateLimitedLog
from agent.spool.deduplication import SAME_EVENT_WITHIN_MS, SeenKeys, final_key, inferred_key
from agent.spool.queue import Queue
from agent.spool.transaction import Transaction
from agent.wire import FINAL_TYPES, OUTBOUND, ZONEMTA, EmailEvent, ReceivedEvent, event_id

logger = logging.getLogger(__name__)

RELEASED = "stream.released"  # a counter
# A counter: deliveries under ids that were taken more than an hour before.
REDELIVERED = "events.redelivered"
# In place of a delivery's sequence: all of the message.
WHOLE_MESSAGE = ""

#: Type and time of an outbound event, and 1; or -1 of an inferred one that was replaced.
Listener = Callable[[str, datetime, int], None]
#: Times by key.
Known = Mapping[bytes, int]

_decode_event = msgspec.json.Decoder(ReceivedEvent).decode


@dataclass(frozen=True)
class Accepted:
    """An event a plugin reported, checked; `body` is its JSON, node included."""

    event: ReceivedEvent
    body: bytes

    @classmethod
    def read(cls, body: bytes) -> "Accepted":
        """Return an event that was accepted before."""
        return cls(_decode_event(body), body)

    @cached_property
    def final_key(self) -> bytes | None:
        """The key of "this delivery has its outcome"; None for events that are no outcome."""
        event = self.event
        delivery = event.queue_seq or event.to_address
        if event.event_type in FINAL_TYPES and event.queue_id and delivery:
            return final_key(event.queue_id, delivery)
        return None

    @cached_property
    def unnamed_key(self) -> bytes | None:
        """The key of an outcome without a recipient, whom the stream knows: of the delivery, or
        without a sequence of all that are left of the message. None for all others.

        A ZoneMTA that did not route the mail deletes it so.
        """
        event = self.event
        is_outcome = event.direction == OUTBOUND and event.event_type in FINAL_TYPES
        if not is_outcome or event.to_address is not None or not event.queue_id:
            return None
        return final_key(event.queue_id, event.queue_seq or WHOLE_MESSAGE)

    @cached_property
    def inferred_keys(self) -> list[bytes]:
        """The keys under which it is remembered that the stream brought this event or outcome under
        another id: of the delivery's outcome, also as the first version named it; or of an event
        that is reported under an id of the first version."""
        event = self.event
        if self.final_key is None:
            return [inferred_key(event.event_id.bytes)]
        keys = [inferred_key(self.final_key)]
        if event.queue_seq and event.to_address:
            keys.append(inferred_key(final_key(event.queue_id or "", event.to_address)))
        return keys


class Intake:
    """Appends events to their queue unless they were taken before."""

    def __init__(self, queue: Queue, seen: SeenKeys) -> None:
        self._queue = queue
        self._seen = seen
        # Whether the stream may have brought an event at all: without a stream, or beside a plugin
        # that never missed anything, a third of all lookups is for nothing.
        self._may_infer = True
        self._listeners: list[Listener] = []
        self._warnings = RateLimitedLog(logger)
        #: Takes an outcome without a recipient, whom the stream knows. None without a stream.
        self.hold_unnamed: Callable[[Transaction, Accepted], None] | None = None

    def load(self, tx: Transaction) -> None:
        self._seen.load(tx)
        self._may_infer = tx.counter(RELEASED) > 0

    def on_event(self, listener: Listener) -> None:
        """Call `listener` for each event after its commit; see Listener."""
        self._listeners.append(listener)

    def take_reported(
        self,
        tx: Transaction,
        accepted: Sequence[Accepted],
        *,
        refused: int = 0,
        are_named: bool = False,
    ) -> None:
        """Append events that a plugin reported and neither source brought before. `refused`: how
        many more of them were invalid. `are_named`: whoever has no recipient gets none."""
        known = self._find_known(tx, accepted)
        fresh: list[bytes] = []
        keys: list[bytes] = []
        counted: list[tuple[str, datetime, int]] = []
        now_ms = clock.now_ms()
        redelivered = held = 0
        for item in accepted:
            event, key = item.event, item.event.event_id.bytes
            replaced = self._find_inferred(tx, item, known)
            if replaced is None and self._is_repeated(item, known):
                continue
            if self.hold_unnamed and not are_named and item.unnamed_key:
                held += 1
                self.hold_unnamed(tx, item)
                continue
            if replaced and event.to_address is None and replaced[0] == event.event_type:
                continue  # the stream said the same, and of whom
            redelivered += key in known and replaced is None
            for each in (key, item.final_key):
                if each:
                    known[each] = now_ms
                    keys.append(each)
            if event.direction == OUTBOUND:
                counted.append((event.event_type, event.occurred_at, 1))
            if replaced:
                inferred_type, inferred_id = replaced
                tx.add("receiver.corrected", 1)
                counted.append((inferred_type, event.occurred_at, -1))
                fresh.append(_replace(item.body, inferred_id))
            else:
                fresh.append(item.body)
        self._seen.remember(tx, keys, now_ms)
        tx.add("receiver.taken", len(fresh))
        tx.add("receiver.repeated", len(accepted) - len(fresh) - held)
        tx.add("receiver.refused", refused)
        self._count_redelivered(tx, redelivered)
        self._queue.append(tx, fresh)
        tx.on_commit.append(partial(self._notify, counted))

    def is_taken(self, tx: Transaction, event: EmailEvent) -> bool:
        """Return whether this event of the stream, or for an outcome any outcome, was taken before;
        also when it was under the ids of the first version."""
        keys = [event.event_id.bytes]
        if event.event_type in FINAL_TYPES:
            deliveries = (event.queue_seq or event.to_address, event.to_address)
            keys += [final_key(event.queue_id, delivery) for delivery in deliveries]
        else:
            keys.append(event.earlier_id.bytes)
        times = self._seen.find_times(tx, keys)
        return any(_is_same(event.occurred_at, taken_ms) for taken_ms in times.values())

    def release(
        self, tx: Transaction, bodies: dict[bytes, bytes], *, inferred: Iterable[bytes] = ()
    ) -> None:
        """Append events of the change stream whose grace is over. `bodies`: by event id.
        `inferred`: event ids and final keys of the outcomes among them, and the earlier ids of the
        others, in case a plugin still reports one."""
        self._may_infer = True  # also where this is rolled back: it only costs time
        self._count_redelivered(tx, len(self._seen.find_known(tx, [*bodies])))
        self._seen.remember(tx, [*bodies, *map(inferred_key, inferred)], clock.now_ms())
        tx.add(RELEASED, len(bodies))
        self._queue.append(tx, list(bodies.values()))
        events = map(_decode_event, bodies.values())
        counted = [(event.event_type, event.occurred_at, 1) for event in events]
        tx.on_commit.append(partial(self._notify, counted))

    def note_named(self, tx: Transaction, unnamed_key: bytes) -> None:
        """Remember that the stream named the recipients of a report."""
        self._seen.remember(tx, [unnamed_key], clock.now_ms())

    def find_unnamed(self, tx: Transaction, keys: Collection[bytes]) -> list[bytes]:
        """Return the keys of the reports whose recipients nobody named."""
        named = self._seen.find_known(tx, [*keys])
        return [key for key in keys if key not in named]

    def _count_redelivered(self, tx: Transaction, count: int) -> None:
        tx.add(REDELIVERED, count)
        if count:
            self._warnings.warn(
                "redelivered",
                "%d deliveries have ids that were delivered more than an hour before (counted as"
                " %s, see `mallard-agent spool`): the mail went out again, as after ZoneMTA's queue"
                " was restored from a backup.",
                count,
                REDELIVERED,
            )

    def _notify(self, counted: Sequence[tuple[str, datetime, int]]) -> None:
        for listener in self._listeners:
            for event_type, at, count in counted:
                listener(event_type, at, count)

    def _find_known(self, tx: Transaction, accepted: Sequence[Accepted]) -> dict[bytes, int]:
        keys = [item.event.event_id.bytes for item in accepted]
        for item in accepted:
            if item.final_key:
                keys.append(item.final_key)
            if self._may_infer and item.event.direction == OUTBOUND:
                keys += item.inferred_keys
        return self._seen.find_times(tx, keys)

    def _is_repeated(self, item: Accepted, known: Known) -> bool:
        """Return whether this event was taken before, under this id or the stream's."""
        if _is_known(item, item.event.event_id.bytes, known):
            return True
        return item.final_key is None and any(
            _is_known(item, key, known) for key in item.inferred_keys if known
        )

    def _find_inferred(
        self, tx: Transaction, item: Accepted, known: Known
    ) -> tuple[str, UUID] | None:
        """Return type and id of the inferred outcome of this delivery that was released before
        the plugin reported the true one; None without one, or when it was reported before."""
        final, event = item.final_key, item.event
        if final is None or not known or _is_known(item, final, known):
            return None
        if not any(_is_known(item, key, known) for key in item.inferred_keys):
            return None
        for event_type in sorted(FINAL_TYPES):
            for delivery in filter(None, (event.queue_seq, event.to_address)):
                candidate = event_id(ZONEMTA, event.queue_id or "", delivery, event_type)
                if self._seen.find_known(tx, [inferred_key(candidate.bytes)]):
                    return event_type, candidate
        return None


def _is_known(item: Accepted, key: bytes, known: Known) -> bool:
    """Return whether a key was taken of the same event, not of an earlier delivery under its id."""
    taken_ms = known.get(key)
    return taken_ms is not None and _is_same(item.event.occurred_at, taken_ms)


def _is_same(occurred_at: datetime, taken_ms: int) -> bool:
    """Return whether an event may be the one whose id was taken then. It happened later only if
    this clock says so too: MongoDB's may be ahead."""
    at_ms = min(clock.to_ms(occurred_at), clock.now_ms())
    return at_ms <= taken_ms + SAME_EVENT_WITHIN_MS


def _replace(body: bytes, replaced: UUID) -> bytes:
    """Return the JSON of an event with the id of the inferred outcome that it replaces."""
    return msgspec.json.encode({**msgspec.json.decode(body), "replaces": str(replaced)})
