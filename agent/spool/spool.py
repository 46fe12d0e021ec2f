"""The whole spool, as the rest of the agent sees it."""

import logging
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from uuid import UUID

import msgspec

from agent import clock
from agent.config import Events as EventSettings
from agent.config import Spool as SpoolSettings
from agent.logs import Repeats
from agent.spool import age, compression, deduplication
from agent.spool.captured import Captured
from agent.spool.change_stream_state import StreamState
from agent.spool.database import Database, add, counter
from agent.spool.deduplication import Seen, final_key, inferred_key
from agent.spool.held import HeldEvent
from agent.spool.plugins import Told, heard
from agent.spool.queue import SOURCES, Queue
from agent.wire import FINAL_TYPES, OUTBOUND, ZONEMTA, ReceivedEvent, event_id

logger = logging.getLogger(__name__)

FILE_NAME = "spool.db"
RELEASED = "stream.released"  # a counter
ADDED = (
    compression.SCHEMA.format(name="events"),
    age.SCHEMA,
    deduplication.SCHEMA,
    *(
        f"CREATE TABLE IF NOT EXISTS samples_{source} (seq INTEGER PRIMARY KEY AUTOINCREMENT,"
        " at_ms INTEGER NOT NULL, body BLOB NOT NULL);"
        for source in SOURCES
    ),
)
# The disk is asked for its free space at most this often: it fills slowly beside a syscall.
FREE_SPACE_CHECK_S = 5.0


_decode_event = msgspec.json.Decoder(ReceivedEvent).decode


@dataclass(frozen=True)
class Accepted:
    """An event a plugin reported, checked; `body` is its JSON, node included."""

    event: ReceivedEvent
    body: bytes

    @cached_property
    def final_key(self) -> bytes | None:
        """The key of "this recipient has its outcome"; None for what is no outcome."""
        event = self.event
        if event.event_type in FINAL_TYPES and event.queue_id and event.to_address:
            return final_key(event.queue_id, event.to_address)
        return None


def _replacing(body: bytes, replaced: UUID) -> bytes:
    """Return the JSON of an event with the id of the inferred outcome it takes the place of."""
    return msgspec.json.encode({**msgspec.json.decode(body), "replaces": str(replaced)})


class Spool:
    """Two queues, the memory of what was taken, and the state of the change stream, in one file."""

    def __init__(self, directory: Path, settings: SpoolSettings, events: EventSettings) -> None:
        self._directory = directory
        self._min_free_bytes = settings.min_free_bytes
        self._free_checked_s = float("-inf")
        self._free = True
        self._repeats = Repeats(logger)
        self.database = Database(directory / FILE_NAME, added=ADDED)
        self.events = Queue(
            self.database,
            "events",
            max_bytes=settings.max_event_bytes,
            max_age_s=settings.max_age_s,
            declares=True,
            packs=True,
            may_grow=self._disk_has_room,
        )
        self.samples = Queue(
            self.database,
            "samples",
            max_bytes=settings.max_sample_bytes,
            max_age_s=settings.max_age_s,
            may_grow=self._disk_has_room,
        )
        self.more_samples = {
            source: Queue(
                self.database,
                f"samples_{source}",
                max_bytes=settings.max_sample_bytes,
                max_age_s=settings.max_age_s,
                may_grow=self._disk_has_room,
            )
            for source in SOURCES
        }
        self.seen = Seen(memory_ms=int(events.memory_s * 1000), memory_count=events.memory_count)
        self.database.settled = self.seen.settle
        self.database.begun_anew = self.seen.forget_recent
        # Whether an outcome may have been inferred at all: without a stream, or beside a plugin
        # that never missed anything, a third of all looking up is for nothing.
        self._may_infer = True
        self.captured = Captured()
        self.stream = StreamState(grace_ms=int(events.grace_s * 1000))

    def open(self) -> None:
        """Open the file and give held events their grace anew: the plugins, too, had nobody to
        report to while the agent was down. Raises SpoolError."""
        self.database.open()
        with self.database.transaction() as connection:
            self.stream.renew_grace(connection, clock.now_ms())
            self.seen.load(connection)
            self._may_infer = counter(connection, RELEASED) > 0

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """See Database.transaction."""
        with self.database.transaction() as connection:
            yield connection

    def take_reported(
        self, accepted: Sequence[Accepted], *, refused: int = 0, told: Told | None = None
    ) -> None:
        """Spool what a plugin reported. When this returns it is on disk. Raises SpoolError.

        What was taken before, from whichever source, is not taken again. `refused`: how many more
        there were that were wrong. `told`: what the plugin says of itself.
        """
        with self.database.transaction() as connection:
            more_dropped = heard(connection, told, clock.now_ms()) if told else 0
            known = self._known(connection, accepted)
            fresh: list[bytes] = []
            keys: list[bytes] = []
            counted: list[tuple[str, datetime, int]] = []
            for item in accepted:
                key = item.event.event_id.bytes
                replaced = self._inferred_before(connection, item, known)
                if key in known and replaced is None:
                    continue
                known.add(key)
                keys.append(key)
                if item.final_key:
                    known.add(item.final_key)
                    keys.append(item.final_key)
                if item.event.direction == OUTBOUND:
                    counted.append((item.event.event_type, item.event.occurred_at, 1))
                if replaced is None:
                    fresh.append(item.body)
                    continue
                inferred_type, inferred_id = replaced
                add(connection, "receiver.corrected", 1)
                counted.append((inferred_type, item.event.occurred_at, -1))
                fresh.append(_replacing(item.body, inferred_id))
            self.seen.remember(connection, keys, clock.now_ms())
            add(connection, "receiver.taken", len(fresh))
            add(connection, "receiver.repeated", len(accepted) - len(fresh))
            add(connection, "receiver.refused", refused)
            self._append_events(connection, fresh)
        for event_type, at, count in counted:
            self.captured.add(event_type, at, count=count)
        if told and more_dropped:
            self._repeats.warn(
                "plugin",
                "The plugin in %s dropped %d events before it could report them (counted, see"
                " `mallard-agent spool`). Its own log says why.",
                told.process,
                more_dropped,
            )

    def _known(self, connection: sqlite3.Connection, accepted: Sequence[Accepted]) -> set[bytes]:
        keys = [item.event.event_id.bytes for item in accepted]
        for item in accepted:
            if item.final_key:
                keys.append(item.final_key)
                if self._may_infer:
                    keys.append(inferred_key(item.final_key))
        return self.seen.known(connection, keys)

    def _inferred_before(
        self, connection: sqlite3.Connection, item: Accepted, known: set[bytes]
    ) -> tuple[str, UUID] | None:
        """Return type and id of the inferred outcome of this recipient that was released before
        the plugin told the true one; None when there is none, or the plugin told it already."""
        final = item.final_key
        if final is None or not self._may_infer or final in known:
            return None
        if inferred_key(final) not in known:
            return None
        for event_type in sorted(FINAL_TYPES):
            candidate = event_id(
                ZONEMTA, item.event.queue_id or "", item.event.to_address or "", event_type
            )
            if self.seen.known(connection, [inferred_key(candidate.bytes)]):
                return event_type, candidate
        return None

    def append_sample(self, body: bytes, *, source: str | None = None) -> None:
        """Spool one sample of the machine or of a `source`. Raises SpoolError."""
        queue = self.more_samples[source] if source else self.samples
        with self.database.transaction() as connection:
            self._warn_dropped(queue.name, queue.append(connection, [body]))

    def hold(self, connection: sqlite3.Connection, event: HeldEvent) -> None:
        """Keep an event of the change stream for its grace, unless it was already taken."""
        if self.taken(connection, event, event.event_id):
            add(connection, "stream.superseded", 1)
        else:
            self.stream.hold(connection, event, clock.now_ms())

    def taken(self, connection: sqlite3.Connection, event: HeldEvent, event_id: bytes) -> bool:
        """Return whether this event, or any outcome where it is an outcome, was taken before."""
        keys = [event_id]
        if event.final:
            keys.append(final_key(event.queue_id, event.recipient))
        return bool(self.seen.known(connection, keys))

    def release(
        self,
        connection: sqlite3.Connection,
        bodies: dict[bytes, bytes],
        *,
        inferred: Iterable[bytes] = (),
    ) -> None:
        """Spool events of the change stream whose grace is over. `bodies`: by event id. `inferred`:
        event ids and final keys of the outcomes among them, in case a plugin still tells of one."""
        keys = [*bodies, *map(inferred_key, inferred)]
        self._may_infer = True  # also where this is rolled back: it only costs time
        self.seen.remember(connection, keys, clock.now_ms())
        add(connection, RELEASED, len(bodies))
        for body in bodies.values():
            event = _decode_event(body)
            self.captured.add(event.event_type, event.occurred_at)
        self._append_events(connection, list(bodies.values()))

    def _append_events(self, connection: sqlite3.Connection, bodies: Sequence[bytes]) -> None:
        self._warn_dropped("events", self.events.append(connection, bodies))

    def _warn_dropped(self, name: str, dropped: int) -> None:
        if dropped:
            self._repeats.warn(
                name,
                "The spool is full: the oldest %s are dropped and counted (%d now)."
                " See `mallard-agent spool`; is the server reachable?",
                name,
                dropped,
            )

    def _disk_has_room(self) -> bool:
        now_s = clock.monotonic_s()
        if now_s - self._free_checked_s >= FREE_SPACE_CHECK_S:
            self._free_checked_s = now_s
            self._free = shutil.disk_usage(self._directory).free >= self._min_free_bytes
        return self._free
