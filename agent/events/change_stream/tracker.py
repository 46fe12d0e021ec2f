"""Tracker of ZoneMTA's queue: changes of its database become held, then released, events.

Each batch is one transaction of the spool: caches, held events and the position move together, so
a kill at any point takes a batch or does not, and neither loses nor doubles an event.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from agent import clock
from agent.events.change_stream import mapping, zonemta
from agent.events.change_stream.zonemta import Change, Message, QueueDocument
from agent.logs import RateLimitedLog
from agent.spool import (
    WHOLE_MESSAGE,
    Accepted,
    ChangeStreamState,
    HeldEvent,
    Spool,
    Transaction,
    final_key,
)
from agent.spool.change_stream_state import FOREVER_MS
from agent.wire import EmailEvent

logger = logging.getLogger(__name__)

_encode = msgspec.json.encode
_document_decoder = msgspec.json.Decoder(QueueDocument)
_message_decoder = msgspec.json.Decoder(Message)
_event_decoder = msgspec.json.Decoder(EmailEvent)
# In place of an instance's name: all that share the queue.
EVERY_INSTANCE = "*"


class Tracker:
    """The only writer of the change stream's state. Used by one thread.

    `instance`: of ZoneMTA, where several share the queue; only recipients that it took are
    reported, and those that left the queue before any took them. EVERY_INSTANCE, or none: all.
    """

    def __init__(self, spool: Spool, *, node: str, instance: str = "") -> None:
        self._spool = spool
        self._intake = spool.intake
        self._node = node
        self._instance = "" if instance == EVERY_INSTANCE else instance
        self._warns = not instance
        self._seen_instance = ""
        self._warnings = RateLimitedLog(logger)
        self._intake.hold_unnamed = self.hold_unnamed
        #: Of the times of changes: the server corrects all times of an event by this node's clock.
        self.database_ahead_ms = 0

    def apply(self, changes: Iterable[Change], position: bytes, *, seen_ms: int) -> None:
        """Take `changes` and the position after them, whose time is `seen_ms`. Raises SpoolError;
        then nothing was taken."""
        with self._spool.begin() as tx:
            state = self._spool.stream(tx)
            for change in changes:
                with self._count_malformed(state, change.collection):
                    self._take(state, change)
            state.save_position(position)
            state.save_seen(seen_ms)

    def apply_snapshot(
        self,
        documents: Iterable[tuple[str, Mapping[str, Any]]],
        files: Iterable[tuple[str, Mapping[str, Any]]],
    ) -> None:
        """Take queue documents and message files, with their ids, as they stand now."""
        with self._spool.begin() as tx:
            state = self._spool.stream(tx)
            for file_id, raw in files:
                with self._count_malformed(state, zonemta.FILES):
                    self._take_message(state, file_id, raw)
            for document_id, raw in documents:
                with self._count_malformed(state, zonemta.QUEUE):
                    document = zonemta.parse_queue_document(raw)
                    known = self._document(state, document_id)
                    self._take_document(state, document_id, document, known, clock.now_ms())

    def release(self, *, caught_up: bool, seen_until_ms: int = 0) -> int:
        """Queue held events whose grace is over and that no plugin reported; return how many were
        examined.

        Outcomes wait until the stream has been read past them by the grace (`caught_up`: to its
        end; else `seen_until_ms`, by MongoDB's clock), because their notification may follow.
        """
        now_ms = clock.now_ms()
        with self._spool.read() as tx:
            state = self._spool.stream(tx)
            finals_until_ms = FOREVER_MS if caught_up else seen_until_ms - state.grace_ms
            due = state.due_events(now_ms, finals_until_ms=finals_until_ms)
            unnamed = state.unnamed(due_ms=now_ms)
        if not due and not unnamed:
            return 0
        with self._spool.begin() as tx:
            state = self._spool.stream(tx)
            bodies: dict[bytes, bytes] = {}
            inferred: list[bytes] = []
            reports: list[bytes] = []
            for held in due:
                state.remove_held(held)
                event = self._resolve(state, held)
                final = final_key(event.queue_id, event.queue_seq or event.to_address)
                whole = final_key(event.queue_id, WHOLE_MESSAGE)
                if self._intake.is_taken(tx, event):
                    tx.add("stream.superseded", 1)
                elif held.final and (nameless := state.take_unnamed(final)):
                    reports += [mapping.name_report(each, event) for each in nameless]
                elif held.final and (nameless := state.find_unnamed(whole)):
                    reports += [mapping.name_report(each, event) for each in nameless]
                    self._intake.note_named(tx, whole)
                else:
                    key = event.event_id.bytes
                    bodies[key] = _encode(event)
                    inferred += [key, final] if held.final else [event.earlier_id.bytes]
            self._intake.release(tx, bodies, inferred=inferred)
            nobodys = self._intake.find_unnamed(tx, unnamed)
            reports += state.take_unnamed(*nobodys)
            state.take_unnamed(*unnamed)
            self._intake.take_reported(tx, [*map(Accepted.read, reports)], are_named=True)
            state.forget_notices(now_ms)
        return len(due) + len(unnamed)

    def hold_unnamed(self, tx: Transaction, report: Accepted) -> None:
        """Let an outcome that a plugin reported without a recipient wait for the stream to name
        it."""
        if report.unnamed_key:
            self._spool.stream(tx).hold_unnamed(report.unnamed_key, report.body, clock.now_ms())

    def _take(self, state: ChangeStreamState, change: Change) -> None:
        if change.collection == zonemta.FILES:
            self._take_file(state, change)
        elif change.kind == "delete":
            self._take_delete(state, change)
        elif change.document is not None:
            document = zonemta.parse_queue_document(change.document)
            known = self._document(state, change.document_id)
            self._take_document(state, change.document_id, document, known, self._at_ms(change))
        else:
            self._take_update(state, change)

    def _take_file(self, state: ChangeStreamState, change: Change) -> None:
        if change.kind == "delete":
            state.remove_message(change.document_id)
            return
        # The file is inserted bare; an update then sets the message's fields.
        data = change.updated.get("metadata.data")
        if data is None and change.document is not None:
            data = (change.document.get("metadata") or {}).get("data")
        if data is not None:
            self._take_message(state, change.document_id, data)

    def _take_message(self, state: ChangeStreamState, file_id: str, raw: Mapping[str, Any]) -> None:
        data = zonemta.parse_message_data(raw)
        body = _encode(mapping.to_message(data))
        state.put_message(file_id, data.queue_id, body)
        for notice in mapping.bounce_notices(data):
            state.put_notice(notice, clock.now_ms())

    def _take_document(
        self,
        state: ChangeStreamState,
        document_id: str,
        document: QueueDocument,
        known: QueueDocument | None,
        at_ms: int,
    ) -> None:
        """Take a document as it stands now: inserted, replaced, updated or read in a snapshot.
        `known`: as it stood before."""
        message = self._message(state, document)
        is_ours = self._is_ours(document)
        if is_ours and (known is None or not self._is_ours(known)):
            self._hold(state, mapping.sent_event(self._node, document, message), document)
        deferrals = mapping.deferrals(document)
        if is_ours and deferrals > 0 and deferrals != (mapping.deferrals(known) if known else 0):
            event = mapping.deferred_event(self._node, document, message, at_ms=at_ms)
            self._hold(state, event, document)
        state.put_document(document_id, _encode(document))

    def _take_update(self, state: ChangeStreamState, change: Change) -> None:
        known = self._known_document(state, change)
        if known is not None:
            document = zonemta.update_document(known, change.updated)
            self._take_document(state, change.document_id, document, known, self._at_ms(change))

    def _take_delete(self, state: ChangeStreamState, change: Change) -> None:
        document = self._known_document(state, change)
        if document is None:
            return
        state.remove_document(change.document_id)
        message = self._message(state, document)
        if not self._is_ours(document):
            if document.assigned != zonemta.UNASSIGNED:
                state.tx.add("stream.other_instances", 1)
                return
            # Deleted before any instance took it: every agent of this queue reports it, with the
            # same ids.
            self._hold(state, mapping.sent_event(self._node, document, message), document)
        event = mapping.inferred_outcome(self._node, document, message, at_ms=self._at_ms(change))
        self._hold(state, event, document, read_at_ms=change.at_ms)

    def _at_ms(self, change: Change) -> int:
        """Return the time of a change by this node's clock."""
        return change.at_ms - self.database_ahead_ms

    def _hold(
        self,
        state: ChangeStreamState,
        event: EmailEvent,
        document: QueueDocument,
        *,
        read_at_ms: int | None = None,
    ) -> None:
        if self._intake.is_taken(state.tx, event):
            state.tx.add("stream.superseded", 1)
        else:
            held = mapping.to_held(event, document, read_at_ms=read_at_ms)
            state.hold(held, clock.now_ms())

    def _is_ours(self, document: QueueDocument) -> bool:
        if not self._instance:
            self._notice_instance(document.assigned)
            return True
        return document.assigned == self._instance

    def _notice_instance(self, assigned: str) -> None:
        """Warn once that the queue is shared: then each agent reports all of it, and the events,
        counted once, are shown under the node that reported them first."""
        if not self._warns or assigned in (zonemta.UNASSIGNED, self._seen_instance):
            return
        if self._seen_instance:
            self._warns = False
            logger.warning(
                "Several instances of ZoneMTA share this queue (%s, %s): name this node's in"
                " AGENT_DISCOVERY_ZONEMTA_INSTANCE (queue.instanceId of its ZoneMTA), or '%s'"
                " to report all of them.",
                self._seen_instance,
                assigned,
                EVERY_INSTANCE,
            )
        self._seen_instance = assigned

    def _resolve(self, state: ChangeStreamState, held: HeldEvent) -> EmailEvent:
        """Return a held event, a bounce if a notification explains it as one."""
        event = mapping.identify(_event_decoder.decode(held.body))
        if event.event_type != "delivered":
            return event
        notice = mapping.find_bounce_notice(held, state.notices(held.recipient))
        if notice is None:
            return event
        state.use_notice(notice)
        return mapping.to_bounce(event)

    def _document(self, state: ChangeStreamState, document_id: str) -> QueueDocument | None:
        body = state.document(document_id)
        return _document_decoder.decode(body) if body is not None else None

    def _known_document(self, state: ChangeStreamState, change: Change) -> QueueDocument | None:
        """Return the document as it stood before a change. None, and counted, for one that was
        queued before this agent watched and is not in its snapshot: whose it was is unknown."""
        known = self._document(state, change.document_id)
        if known is None and change.before is not None:
            known = zonemta.parse_queue_document(change.before)
        if known is None:
            state.tx.add("stream.unknown_documents", 1)
        return known

    def _message(self, state: ChangeStreamState, document: QueueDocument) -> Message:
        body = state.message(document.queue_id)
        return _message_decoder.decode(body) if body is not None else Message()

    @contextmanager
    def _count_malformed(self, state: ChangeStreamState, collection: str) -> Iterator[None]:
        """Skip a document that does not have ZoneMTA's format."""
        try:
            yield
        except msgspec.ValidationError as error:
            state.tx.add("stream.malformed", 1)
            self._warnings.warn(
                collection,
                "A document of %s does not have ZoneMTA's format and is skipped (counted): %s.",
                collection,
                error,
            )
