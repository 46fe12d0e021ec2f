"""The change stream of ZoneMTA's database: a snapshot once, then every change from the saved
position."""

from __future__ import annotations

import logging
import threading
from itertools import islice
from typing import TYPE_CHECKING, Any

from agent import clock
from agent.config import Secret
from agent.errors import SpoolError
from agent.events.change_stream import database
from agent.events.change_stream.clients import SharedClients
from agent.events.change_stream.follower import (
    CLOCK_INTERVAL_S,
    IDLE_SAVE_S,
    OUT_OF_OPLOG,
    Document,
    Follower,
    decode_position,
    encode_position,
)
from agent.events.change_stream.tracker import Tracker
from agent.events.change_stream.zonemta import Change
from agent.spool import Spool

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.database import Database

logger = logging.getLogger(__name__)

LONGER_OPLOG = (
    " If the agent was down for less than a day, enlarge the oplog:"
    " db.adminCommand({replSetResizeOplog: 1, size: megabytes})."
)


class ChangeStream(Follower):
    """Follows ZoneMTA's queue."""

    name = "change-stream"

    def __init__(
        self,
        spool: Spool,
        uri: Secret,
        *,
        node: str,
        instance: str = "",
        enable_pre_images: bool = False,
        clients: SharedClients | None = None,
    ) -> None:
        super().__init__(uri, clients)
        self._spool = spool
        self._tracker = Tracker(spool, node=node, instance=instance)
        self._pre_images = True
        self._enable_pre_images = enable_pre_images

    def _follow(self, db: Database[Document], stop: threading.Event) -> None:
        client = db.client
        hello = client.admin.command("hello")
        self._where = f"{hello.get('me') or client.address}/{db.name}"
        version = database.major_version(client)
        source = f"{hello.get('setName')}/{db.name}"
        options: dict[str, Any] = {
            "pipeline": database.pipeline(version),
            "batch_size": database.BATCH,
            "max_await_time_ms": database.AWAIT_MS,
        }
        if version >= database.PRE_IMAGES_SINCE and self._pre_images:
            # Filled where the operator switched pre-images on; absent, the document cache serves.
            options["full_document_before_change"] = "whenAvailable"
            self._switch_pre_images_on(db)
        if not self._snapshot_if_needed(db, source, options, stop):
            return
        with self._spool.read() as tx:
            position = self._spool.stream(tx).position()
        with db.watch(resume_after=decode_position(position), **options) as stream:
            self._note_followed()
            self._read(client, stream, stop)
            if not stop.is_set() and not stream.alive and not self._is_lost():
                # The database was dropped or renamed: the stream is over, not interrupted.
                self._lose_position("its database was dropped or renamed")

    def _snapshot_if_needed(
        self, db: Database[Document], source: str, options: dict[str, Any], stop: threading.Event
    ) -> bool:
        """Return whether the stream may be followed from the saved position."""
        with self._spool.begin() as tx:
            state = self._spool.stream(tx)
            if state.source() not in (None, source):
                logger.warning("The database has changed (%s): starting over.", source)
                state.forget_all()
            position, pending = state.position(), state.snapshot_pending()
        if position is not None and not pending:
            return True
        if position is None:
            # The position comes first: changes during the snapshot are read after it, and events
            # that are read twice have the same id.
            with db.watch(**options) as stream:
                token = stream.resume_token
            with self._spool.begin() as tx:
                self._spool.stream(tx).begin_snapshot(encode_position(token), source)
        count = 0
        with database.queue_documents(db) as cursor:
            while not stop.is_set() and (chunk := list(islice(cursor, database.BATCH))):
                ids = sorted({str(raw.get("id")) for raw in chunk})
                files = database.message_files(db, ids)
                self._tracker.apply_snapshot([(str(raw["_id"]), raw) for raw in chunk], files)
                count += len(chunk)
        if stop.is_set():
            return False
        with self._spool.begin() as tx:
            self._spool.stream(tx).end_snapshot()
        logger.info("Took a snapshot of the queue of %s: %d recipients.", self._where, count)
        return True

    def _read(self, client: MongoClient[Document], stream: Any, stop: threading.Event) -> None:
        reconciled = False
        saved_s, measured_s = clock.monotonic_s(), float("-inf")
        seen_until_ms = 0
        while not stop.is_set() and stream.alive:
            changes, caught_up, gone = _next_batch(stream)
            if clock.monotonic_s() - measured_s >= CLOCK_INTERVAL_S:
                self._tracker.database_ahead_ms = database.measure_clock(client)
                measured_s = clock.monotonic_s()
            self._note_batch(len(changes))
            if changes:
                seen_until_ms = changes[-1].at_ms
            if changes or clock.monotonic_s() - saved_s >= IDLE_SAVE_S:
                seen_ms = seen_until_ms if changes else clock.now_ms()
                self._tracker.apply(changes, encode_position(stream.resume_token), seen_ms=seen_ms)
                saved_s = clock.monotonic_s()
            if gone is not None:
                self._lose_position(gone)
                return
            if caught_up and not reconciled:
                self._reconcile()
                reconciled = True
            self._tracker.release(caught_up=caught_up, seen_until_ms=seen_until_ms)

    def _reconcile(self) -> None:
        with self._spool.begin() as tx:
            state = self._spool.stream(tx)
            lost = state.drop_unseen()
            if any(gap.lost_count is None for gap in state.gaps()[-1:]):
                state.end_gap(clock.now_ms(), lost)
        if lost:
            logger.warning(
                "%d recipients left the queue of %s in the gap; how is not known, and no event is"
                " invented for them (unless a plugin reported it).",
                lost,
                self._where,
            )

    def _release_certain(self) -> None:
        """Release events of type sent and deferred: they need nothing more from the stream, so they
        go even while it is down. Outcomes wait: their notification may not have been read yet."""
        try:
            self._tracker.release(caught_up=False)
        except SpoolError as error:
            self._warnings.warn("spool", "%s", error)

    def _switch_pre_images_on(self, db: Database[Document]) -> None:
        """Enable pre-images where this user may. Without them nothing is lost while the agent
        runs."""
        from pymongo.errors import PyMongoError  # noqa: PLC0415

        if not self._enable_pre_images:
            return
        self._enable_pre_images = False  # once; later collections are the administrator's
        try:
            switched = database.enable_pre_images(db)
        except PyMongoError as error:
            logger.info(
                "Pre-images of %s are off and this user may not switch them on (%s);"
                " `mallard-agent doctor` prints the command.",
                self._where,
                str(error).partition(", full error")[0][:200],
            )
        else:
            if switched:
                logger.info("Switched pre-images on for %s.", " and ".join(switched))

    def _is_lost(self) -> bool:
        with self._spool.read() as tx:
            return self._spool.stream(tx).position() is None

    def _wait(self, stop: threading.Event) -> None:
        self._release_certain()
        super()._wait(stop)

    def _skip_too_large(self) -> None:
        self._pre_images = False
        self._warnings.warn("size", "A change was too large with its pre-image: going without.")

    def _lose_position(self, reason: str) -> None:
        logger.warning(
            "The saved position in the change stream of %s is lost: %s. A snapshot is taken and the"
            " gap recorded.%s",
            self._where,
            reason,
            LONGER_OPLOG if reason == OUT_OF_OPLOG else "",
        )
        try:
            with self._spool.begin() as tx:
                state = self._spool.stream(tx)
                state.begin_gap(reason, clock.now_ms())
                state.forget_position()
        except SpoolError as error:
            self._warnings.warn("spool", "%s", error)


def _next_batch(stream: Any) -> tuple[list[Change], bool, str | None]:
    """Return the next changes, whether the stream had no more, and why the collection is gone if it
    is: later changes belong to another."""
    changes: list[Change] = []
    while len(changes) < database.BATCH:
        raw = stream.try_next()
        if raw is None:
            return changes, True, None
        if raw["operationType"] in database.COLLECTION_ENDS:
            if gone := database.describe_end(raw):
                return changes, False, gone
            continue
        changes.append(database.parse_change(raw))
    return changes, False, None
