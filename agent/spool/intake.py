"""Events on their way into the queue, each once, whichever source it comes from."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from uuid import UUID

import msgspec

from agent import clock
from agent.spool.change_stream_state import HeldEvent
from agent.spool.deduplication import SeenKeys, final_key, inferred_key
from agent.spool.queue import Queue
from agent.spool.transaction import Transaction
from agent.wire import FINAL_TYPES, OUTBOUND, ZONEMTA, ReceivedEvent, event_id

RELEASED = "stream.released"  # a counter

#: Type and time of an outbound event, and 1; or -1 of an inferred one that was replaced.
Listener = Callable[[str, datetime, int], None]

_decode_event = msgspec.json.Decoder(ReceivedEvent).decode


@dataclass(frozen=True)
class Accepted:
    """An event a plugin reported, checked; `body` is its JSON, node included."""

    event: ReceivedEvent
    body: bytes

    @cached_property
    def final_key(self) -> bytes | None:
        """The key of "this recipient has its outcome"; None for events that are no outcome."""
        event = self.event
        if event.event_type in FINAL_TYPES and event.queue_id and event.to_address:
            return final_key(event.queue_id, event.to_address)
        return None


class Intake:
    """Appends events to their queue unless they were taken before."""

    def __init__(self, queue: Queue, seen: SeenKeys) -> None:
        self._queue = queue
        self._seen = seen
        # Whether an outcome may have been inferred at all: without a stream, or beside a plugin
        # that never missed anything, a third of all lookups is for nothing.
        self._may_infer = True
        self._listeners: list[Listener] = []

    def load(self, tx: Transaction) -> None:
        self._seen.load(tx)
        self._may_infer = tx.counter(RELEASED) > 0

    def on_event(self, listener: Listener) -> None:
        """Call `listener` for each event after its commit; see Listener."""
        self._listeners.append(listener)

    def take_reported(
        self, tx: Transaction, accepted: Sequence[Accepted], *, refused: int = 0
    ) -> None:
        """Append events that a plugin reported and neither source brought before. `refused`: how
        many more of them were invalid."""
        known = self._find_known(tx, accepted)
        fresh: list[bytes] = []
        keys: list[bytes] = []
        counted: list[tuple[str, datetime, int]] = []
        for item in accepted:
            key = item.event.event_id.bytes
            replaced = self._find_inferred(tx, item, known)
            if key in known and replaced is None:
                continue
            for each in (key, item.final_key):
                if each:
                    known.add(each)
                    keys.append(each)
            if item.event.direction == OUTBOUND:
                counted.append((item.event.event_type, item.event.occurred_at, 1))
            if replaced is None:
                fresh.append(item.body)
                continue
            inferred_type, inferred_id = replaced
            tx.add("receiver.corrected", 1)
            counted.append((inferred_type, item.event.occurred_at, -1))
            fresh.append(_replace(item.body, inferred_id))
        self._seen.remember(tx, keys, clock.now_ms())
        tx.add("receiver.taken", len(fresh))
        tx.add("receiver.repeated", len(accepted) - len(fresh))
        tx.add("receiver.refused", refused)
        self._queue.append(tx, fresh)
        tx.on_commit.append(partial(self._notify, counted))

    def is_taken(self, tx: Transaction, event: HeldEvent, event_id: bytes) -> bool:
        """Return whether this event, or for an outcome any outcome, was taken before."""
        keys = [event_id]
        if event.final:
            keys.append(final_key(event.queue_id, event.recipient))
        return bool(self._seen.find_known(tx, keys))

    def release(
        self, tx: Transaction, bodies: dict[bytes, bytes], *, inferred: Iterable[bytes] = ()
    ) -> None:
        """Append events of the change stream whose grace is over. `bodies`: by event id.
        `inferred`: event ids and final keys of the outcomes among them, in case a plugin still
        reports one."""
        self._may_infer = True  # also where this is rolled back: it only costs time
        self._seen.remember(tx, [*bodies, *map(inferred_key, inferred)], clock.now_ms())
        tx.add(RELEASED, len(bodies))
        self._queue.append(tx, list(bodies.values()))
        events = map(_decode_event, bodies.values())
        counted = [(event.event_type, event.occurred_at, 1) for event in events]
        tx.on_commit.append(partial(self._notify, counted))

    def _notify(self, counted: Sequence[tuple[str, datetime, int]]) -> None:
        for listener in self._listeners:
            for event_type, at, count in counted:
                listener(event_type, at, count)

    def _find_known(self, tx: Transaction, accepted: Sequence[Accepted]) -> set[bytes]:
        keys = [item.event.event_id.bytes for item in accepted]
        for item in accepted:
            if item.final_key:
                keys.append(item.final_key)
                if self._may_infer:
                    keys.append(inferred_key(item.final_key))
        return self._seen.find_known(tx, keys)

    def _find_inferred(
        self, tx: Transaction, item: Accepted, known: set[bytes]
    ) -> tuple[str, UUID] | None:
        """Return type and id of the inferred outcome of this recipient that was released before
        the plugin reported the true one; None without one, or when it was reported before."""
        final = item.final_key
        if final is None or not self._may_infer or final in known:
            return None
        if inferred_key(final) not in known:
            return None
        for event_type in sorted(FINAL_TYPES):
            candidate = event_id(
                ZONEMTA, item.event.queue_id or "", item.event.to_address or "", event_type
            )
            if self._seen.find_known(tx, [inferred_key(candidate.bytes)]):
                return event_type, candidate
        return None


def _replace(body: bytes, replaced: UUID) -> bytes:
    """Return the JSON of an event with the id of the inferred outcome that it replaces."""
    return msgspec.json.encode({**msgspec.json.decode(body), "replaces": str(replaced)})
