"""Takes changes of ZoneMTA's database and turns them into held, then released, events.

Each batch is one transaction of the spool: caches, held events and the position move together, so
a kill at any point repeats a batch or does not, and neither loses nor doubles an event.
"""

import logging
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from agent import clock
from agent.events.change_stream import mapping, zonemta
from agent.events.change_stream.zonemta import Change, Message, QueueDocument
from agent.logs import Repeats
from agent.spool import HeldEvent, Spool
from agent.spool.database import add
from agent.spool.deduplication import final_key
from agent.wire import EmailEvent

logger = logging.getLogger(__name__)

_encode = msgspec.json.encode
_document_decoder = msgspec.json.Decoder(QueueDocument)
_message_decoder = msgspec.json.Decoder(Message)
_event_decoder = msgspec.json.Decoder(EmailEvent)
FOREVER_MS = 2**62
# In place of an instance's name: told of all that share the queue.
EVERY_INSTANCE = "*"


class Tracker:
    """The only writer of the change stream's state. Used by one thread.

    `instance`: of ZoneMTA, where several share the queue; only what it took up is told, and what
    left the queue before any did. EVERY_INSTANCE, or none: all of the queue.
    """

    def __init__(self, spool: Spool, *, node: str, instance: str = "") -> None:
        self._spool = spool
        self._state = spool.stream
        self._node = node
        self._instance = "" if instance == EVERY_INSTANCE else instance
        self._warns = not instance
        self._seen_instance = ""
        self._repeats = Repeats(logger)

    def apply(self, changes: Iterable[Change], position: bytes, *, seen_ms: int) -> None:
        """Take `changes` and the position after them, which `seen_ms` is the time of. Raises
        SpoolError; then nothing was taken."""
        with self._spool.transaction() as connection:
            for change in changes:
                try:
                    self._take(connection, change)
                except msgspec.ValidationError as error:
                    self._malformed(connection, change.collection, error)
            self._state.save_position(connection, position)
            self._state.save_seen(connection, seen_ms)

    def apply_snapshot(
        self,
        documents: Iterable[tuple[str, Mapping[str, Any]]],
        files: Iterable[tuple[str, Mapping[str, Any]]],
    ) -> None:
        """Take queue documents and message files, with their ids, as they stand now."""
        with self._spool.transaction() as connection:
            for file_id, raw in files:
                try:
                    self._take_message(connection, file_id, raw)
                except msgspec.ValidationError as error:
                    self._malformed(connection, zonemta.FILES, error)
            for document_id, raw in documents:
                try:
                    document = zonemta.queue_document(raw)
                except msgspec.ValidationError as error:
                    self._malformed(connection, zonemta.QUEUE, error)
                    continue
                self._take_document(connection, document_id, document, clock.now_ms())

    def release(self, *, caught_up: bool, seen_until_ms: int = 0) -> int:
        """Spool held events whose grace is over and that no plugin told of; return how many were
        looked at.

        Outcomes wait until the stream has been read past them by the grace (`caught_up`: to its
        end; else `seen_until_ms`, by MongoDB's clock), because their notification may follow.
        """
        now_ms = clock.now_ms()
        finals_until_ms = FOREVER_MS if caught_up else seen_until_ms - self._state.grace_ms
        with self._spool.database.reading() as connection:
            due = self._state.due(connection, now_ms, finals_until_ms=finals_until_ms)
        if not due:
            return 0
        with self._spool.transaction() as connection:
            bodies: dict[bytes, bytes] = {}
            inferred: list[bytes] = []
            for event in due:
                self._state.unhold(connection, event)
                resolved_id, body = self._resolved(connection, event)
                if self._spool.taken(connection, event, resolved_id):
                    add(connection, "stream.superseded", 1)
                else:
                    bodies[resolved_id] = body
                    if event.final:
                        inferred += [resolved_id, final_key(event.queue_id, event.recipient)]
            self._spool.release(connection, bodies, inferred=inferred)
            self._state.forget_notices(connection, now_ms)
        return len(due)

    def _take(self, connection: sqlite3.Connection, change: Change) -> None:
        if change.collection == zonemta.FILES:
            self._take_file(connection, change)
        elif change.kind == "delete":
            self._take_delete(connection, change)
        elif change.document is not None:
            document = zonemta.queue_document(change.document)
            self._take_document(connection, change.document_id, document, change.at_ms)
        else:
            self._take_update(connection, change)

    def _take_file(self, connection: sqlite3.Connection, change: Change) -> None:
        if change.kind == "delete":
            self._state.remove_message(connection, change.document_id)
            return
        # The file is inserted bare; an update then sets all that is known of the message.
        data = change.updated.get("metadata.data")
        if data is None and change.document is not None:
            data = (change.document.get("metadata") or {}).get("data")
        if data is not None:
            self._take_message(connection, change.document_id, data)

    def _take_message(
        self, connection: sqlite3.Connection, file_id: str, raw: Mapping[str, Any]
    ) -> None:
        data = zonemta.message_data(raw)
        body = _encode(mapping.message(data))
        self._state.put_message(connection, file_id, data.queue_id, body)
        for notice in mapping.notices(data):
            self._state.put_notice(connection, notice, clock.now_ms())

    def _take_document(
        self, connection: sqlite3.Connection, document_id: str, document: QueueDocument, at_ms: int
    ) -> None:
        """Take a whole document: inserted, replaced or met in a snapshot."""
        known = self._document(connection, document_id)
        message = self._message(connection, document)
        if self._is_ours(document) and (known is None or not self._is_ours(known)):
            self._hold(connection, mapping.sent(self._node, document, message), document)
        if mapping.deferrals(document) != (mapping.deferrals(known) if known else 0):
            self._hold_deferral(connection, document, message, at_ms)
        self._state.put_document(connection, document_id, _encode(document))

    def _take_update(self, connection: sqlite3.Connection, change: Change) -> None:
        known = self._document(connection, change.document_id)
        if known is None and change.before is not None:
            known = zonemta.queue_document(change.before)
        if known is None:
            add(connection, "stream.unknown_documents", 1)
            return
        document = zonemta.updated_document(known, change.updated)
        message = self._message(connection, document)
        if self._is_ours(document) and not self._is_ours(known):
            self._hold(connection, mapping.sent(self._node, document, message), document)
        if mapping.deferrals(document) != mapping.deferrals(known):
            self._hold_deferral(connection, document, message, change.at_ms)
        self._state.put_document(connection, change.document_id, _encode(document))

    def _take_delete(self, connection: sqlite3.Connection, change: Change) -> None:
        document = self._document(connection, change.document_id)
        if document is None and change.before is not None:
            document = zonemta.queue_document(change.before)
        if document is None:
            # Queued before this agent watched and not in its snapshot: nothing says whose it was.
            add(connection, "stream.unknown_documents", 1)
            return
        self._state.remove_document(connection, change.document_id)
        message = self._message(connection, document)
        if not self._is_ours(document):
            if document.assigned != zonemta.UNASSIGNED:
                add(connection, "stream.other_instances", 1)
                return
            # Deleted before any instance took it up: every agent of this queue tells it, with the
            # same ids.
            self._hold(connection, mapping.sent(self._node, document, message), document)
        event = mapping.left(self._node, document, message, at_ms=change.at_ms)
        self._hold(connection, event, document)

    def _hold_deferral(
        self, connection: sqlite3.Connection, document: QueueDocument, message: Message, at_ms: int
    ) -> None:
        if mapping.deferrals(document) > 0 and self._is_ours(document):
            event = mapping.deferred(self._node, document, message, at_ms=at_ms)
            self._hold(connection, event, document)

    def _hold(
        self, connection: sqlite3.Connection, event: EmailEvent, document: QueueDocument
    ) -> None:
        self._spool.hold(connection, mapping.held(event, document))

    def _is_ours(self, document: QueueDocument) -> bool:
        if not self._instance:
            self._notice_instance(document.assigned)
            return True
        return document.assigned == self._instance

    def _notice_instance(self, assigned: str) -> None:
        """Say once that the queue is shared: then each agent tells of all of it, and the events,
        counted once, stand under whichever node told them first."""
        if not self._warns or assigned in (zonemta.UNASSIGNED, self._seen_instance):
            return
        if self._seen_instance:
            self._warns = False
            logger.warning(
                "Several instances of ZoneMTA share this queue (%s, %s): name this node's in"
                " AGENT_DISCOVERY_ZONEMTA_INSTANCE (queue.instanceId of its ZoneMTA), or '%s'"
                " to tell of all of them.",
                self._seen_instance,
                assigned,
                EVERY_INSTANCE,
            )
        self._seen_instance = assigned

    def _resolved(self, connection: sqlite3.Connection, held: HeldEvent) -> tuple[bytes, bytes]:
        """Return id and JSON of a held event, a bounce if a notification explains it as one."""
        if not held.final:
            return held.event_id, held.body
        candidates = self._state.notices(connection, held.recipient)
        notice = mapping.explaining(held, candidates)
        event = _event_decoder.decode(held.body) if notice else None
        if notice is None or event is None or event.event_type != "delivered":
            return held.event_id, held.body
        self._state.use_notice(connection, notice)
        bounced = mapping.as_bounced(event)
        return bounced.event_id.bytes, _encode(bounced)

    def _document(self, connection: sqlite3.Connection, document_id: str) -> QueueDocument | None:
        body = self._state.document(connection, document_id)
        return _document_decoder.decode(body) if body is not None else None

    def _message(self, connection: sqlite3.Connection, document: QueueDocument) -> Message:
        body = self._state.message(connection, document.queue_id)
        return _message_decoder.decode(body) if body is not None else Message()

    def _malformed(
        self, connection: sqlite3.Connection, collection: str, error: msgspec.ValidationError
    ) -> None:
        add(connection, "stream.malformed", 1)
        self._repeats.warn(
            collection,
            "A document of %s is not as ZoneMTA writes it and is left out (counted): %s.",
            collection,
            error,
        )
