"""The change stream of WildDuck's database: each delivery into a mailbox and each login is an
event, in the transaction of the spool that saves the position behind it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agent import clock
from agent.config import Secret
from agent.errors import SpoolError
from agent.events import mailbox_event
from agent.events.change_stream import database as mongodb
from agent.events.change_stream.follower import (
    CLOCK_INTERVAL_S,
    IDLE_SAVE_S,
    Document,
    Follower,
    decode_position,
    encode_position,
)
from agent.events.mailbox_event import MailboxEvent
from agent.events.wildduck import database, mapping
from agent.parsers.values import count, table
from agent.spool import Spool, StreamPosition

if TYPE_CHECKING:
    from pymongo.database import Database

    from agent.events.change_stream.clients import SharedClients

logger = logging.getLogger(__name__)

NAME = "wildduck"  # of its position in the spool
MALFORMED = "wildduck.malformed"  # a counter
TOO_LARGE = "a change was too large to be read"


class MailboxStream(Follower):
    """Follows WildDuck's messages and logins."""

    name = "wildduck-stream"

    def __init__(
        self, spool: Spool, uri: Secret, *, node: str, clients: SharedClients | None = None
    ) -> None:
        super().__init__(uri, clients)
        self.names = database.names(uri.reveal())
        self._spool = spool
        self._node = node
        self._lookups = database.Lookups()
        self._database_ahead_ms = 0

    def _follow(self, db: Database[Document], stop: threading.Event) -> None:
        hello = db.client.admin.command("hello")
        self._where = f"{hello.get('me') or db.client.address}/{db.name}"
        options: dict[str, Any] = {
            "pipeline": database.pipeline(),
            "batch_size": mongodb.BATCH,
            "max_await_time_ms": mongodb.AWAIT_MS,
        }
        position = self._position(f"{hello.get('setName')}/{db.name}", db, options)
        with db.watch(resume_after=decode_position(position), **options) as stream:
            self._note_followed()
            self._read(db, stream, stop)
            if not stop.is_set() and not stream.alive:
                self._lose_position("its database was dropped or renamed")

    def _position(self, source: str, db: Database[Document], options: Mapping[str, Any]) -> bytes:
        """Return the saved position; without one, that of now, saved."""
        with self._spool.read() as tx:
            state = StreamPosition(tx, NAME)
            position, known_source = state.position(), state.source()
        if position is not None and known_source == source:
            return position
        if known_source not in (None, source):
            logger.warning("WildDuck's database has changed (%s): following it from now.", source)
        with db.watch(**options) as stream:
            position = encode_position(stream.resume_token)
        with self._spool.begin() as tx:
            state = StreamPosition(tx, NAME)
            state.begin(position, source)
            if known_source == source and state.gaps():
                state.end_gap(clock.now_ms())
        return position

    def _read(self, db: Database[Document], stream: Any, stop: threading.Event) -> None:
        saved_s, measured_s = clock.monotonic_s(), float("-inf")
        while not stop.is_set() and stream.alive:
            changes = _next_batch(stream)
            if clock.monotonic_s() - measured_s >= CLOCK_INTERVAL_S:
                self._database_ahead_ms = mongodb.measure_clock(db.client)
                measured_s = clock.monotonic_s()
            self._note_batch(len(changes))
            if changes or clock.monotonic_s() - saved_s >= IDLE_SAVE_S:
                self._take(db, changes, encode_position(stream.resume_token))
                saved_s = clock.monotonic_s()

    def _take(self, db: Database[Document], changes: list[Document], position: bytes) -> None:
        """Take changes and the position after them: all, or nothing. Raises PyMongoError or
        SpoolError."""
        self._load(db, changes)
        events, malformed = self._events(changes)
        seen_ms = clock.to_ms(_time_of(changes[-1])) if changes else clock.now_ms()
        with self._spool.begin() as tx:
            self._spool.intake.take_reported(tx, [mailbox_event.accept(each) for each in events])
            tx.add(MALFORMED, malformed)
            state = StreamPosition(tx, NAME)
            state.save_position(position)
            state.save_seen(seen_ms)

    def _load(self, db: Database[Document], changes: list[Document]) -> None:
        """Look up what the changes only name."""
        documents = [table(change.get("fullDocument")) for change in changes]
        lookups = self._lookups
        for change, document in zip(changes, documents, strict=True):
            if _is_login(change) and document:
                lookups.logins.put(document["_id"], mapping.login_row(document))
        ids = [change["documentKey"]["_id"] for change in changes if _is_login(change)]
        lookups.load_logins(db, ids)
        deliveries = [each for each in documents if mapping.is_delivery(each)]
        rows = [row for id_ in ids if (row := lookups.logins.get(id_))]
        users = [*(each.get("user") for each in deliveries), *(row.user for row in rows)]
        lookups.load_names(db, [each.get("mailbox") for each in deliveries], users)

    def _events(self, changes: Iterable[Document]) -> tuple[list[MailboxEvent], int]:
        """Return the events of these changes, and how many could not be read."""
        events: list[MailboxEvent] = []
        malformed = 0
        for change in changes:
            try:
                event = self._login(change) if _is_login(change) else self._stored(change)
            except (KeyError, TypeError, ValueError) as error:
                malformed += 1
                self._warnings.warn(
                    "malformed",
                    "A document of WildDuck does not have its format and is skipped (counted): %r.",
                    error,
                )
                continue
            if event is not None:
                events.append(event)
        return events, malformed

    def _stored(self, change: Document) -> MailboxEvent | None:
        document = change["fullDocument"]
        if not mapping.is_delivery(document):
            return None
        return mapping.stored_event(
            document,
            node=self._node,
            at=self._at(change),
            path=self._lookups.paths.get(document.get("mailbox")),
            name=self._lookups.accounts.get(document.get("user")),
        )

    def _login(self, change: Document) -> MailboxEvent | None:
        id_ = change["documentKey"]["_id"]
        row = self._lookups.logins.get(id_)
        changed = change.get("fullDocument") or table(
            table(change.get("updateDescription")).get("updatedFields")
        )
        number = count(changed.get("events"))
        if row is None or number is None:
            return None  # another action, another change of it, or its document expired
        at = changed.get("last")
        return mapping.login_event(
            row,
            str(id_),
            number,
            node=self._node,
            at=at if isinstance(at, datetime) else self._at(change),
            name=self._lookups.accounts.get(row.user),
        )

    def _at(self, change: Document) -> datetime:
        """Return the time of a change by this node's clock."""
        return clock.from_ms(clock.to_ms(_time_of(change)) - self._database_ahead_ms)

    def _skip_too_large(self) -> None:
        self._lose_position(TOO_LARGE)

    def _lose_position(self, reason: str) -> None:
        logger.warning(
            "The saved position in the change stream of %s is lost: %s. It is followed from now,"
            " the gap is recorded; deliveries and logins in it are not known.",
            self._where,
            reason,
        )
        try:
            with self._spool.begin() as tx:
                state = StreamPosition(tx, NAME)
                state.begin_gap(reason, clock.now_ms())
                state.forget_position()
        except SpoolError as error:
            self._warnings.warn("spool", "%s", error)


def _next_batch(stream: Any) -> list[Document]:
    """Return the next changes, as far as the stream has them now."""
    changes: list[Document] = []
    while len(changes) < mongodb.BATCH and (change := stream.try_next()) is not None:
        if "ns" in change:  # the end of a stream names no collection
            changes.append(change)
    return changes


def _is_login(change: Document) -> bool:
    return bool(change["ns"]["coll"] == mapping.AUTHLOG)


def _time_of(change: Document) -> datetime:
    wall = change.get("wallTime")  # since MongoDB 6.0; before, the cluster time has whole seconds
    return wall if isinstance(wall, datetime) else change["clusterTime"].as_datetime()
