"""What the change stream must remember: queue documents, messages, held events, its position.

A delete without a pre-image carries only an id, so everything an event says of a message has to
be kept from the time the message was queued. Every function works in the caller's transaction.
"""

import sqlite3

import msgspec
from msgspec.structs import replace

from agent.spool.database import add, counter, get_meta, set_meta
from agent.spool.held import HeldEvent, Notice

POSITION = "stream.position"
SOURCE = "stream.source"
SNAPSHOT = "stream.snapshot"  # present while a snapshot is not yet complete
SEEN_MS = "stream.seen_ms"  # MongoDB's time, up to which the stream was read
GAPS = "stream.gaps"  # JSON, the latest last
MOST_GAPS = 20
GENERATION = "stream.generation"  # a counter: snapshots begun

# A delivery status notification is remembered this long for the delete it belongs to.
NOTICE_MEMORY_MS = 600_000
RELEASE_STEP = 1000


class Gap(msgspec.Struct, frozen=True):
    """A stretch of time of which the stream told nothing. `from_ms` None: from the beginning.
    `lost_count`: recipients that left the queue in it, how is not known; None: not looked yet."""

    from_ms: int | None
    to_ms: int
    reason: str
    lost_count: int | None = None


def read_gaps(connection: sqlite3.Connection) -> list[Gap]:
    """Return the latest gaps, oldest first."""
    value = get_meta(connection, GAPS)
    return msgspec.json.decode(value, type=list[Gap]) if value is not None else []


class StreamState:
    """The tables of the change stream."""

    def __init__(self, *, grace_ms: int) -> None:
        self.grace_ms = grace_ms

    # Position and snapshots

    def position(self, connection: sqlite3.Connection) -> bytes | None:
        """Return the saved position, as the stream wrote it."""
        return get_meta(connection, POSITION)

    def save_position(self, connection: sqlite3.Connection, position: bytes) -> None:
        """Keep the position up to which everything in this transaction was taken."""
        set_meta(connection, POSITION, position)

    def seen_until(self, connection: sqlite3.Connection) -> int | None:
        """Return MongoDB's time in ms up to which the stream was read; None before the first."""
        value = get_meta(connection, SEEN_MS)
        return int(value) if value is not None else None

    def save_seen(self, connection: sqlite3.Connection, at_ms: int) -> None:
        """Keep up to which of MongoDB's times the stream was read."""
        set_meta(connection, SEEN_MS, str(at_ms).encode())

    def begin_gap(self, connection: sqlite3.Connection, reason: str, now_ms: int) -> None:
        """Record that from the time read last until a snapshot is taken the stream is not known."""
        gap = Gap(from_ms=self.seen_until(connection), to_ms=now_ms, reason=reason)
        self._save_gaps(connection, [*read_gaps(connection), gap])
        add(connection, "stream.gaps", 1)

    def end_gap(self, connection: sqlite3.Connection, now_ms: int, lost: int) -> None:
        """Record when the last gap ended and how many recipients left the queue in it."""
        *others, gap = read_gaps(connection)
        self._save_gaps(connection, [*others, replace(gap, to_ms=now_ms, lost_count=lost)])

    def _save_gaps(self, connection: sqlite3.Connection, gaps: list[Gap]) -> None:
        set_meta(connection, GAPS, msgspec.json.encode(gaps[-MOST_GAPS:]))

    def source(self, connection: sqlite3.Connection) -> str | None:
        """Return which database the position belongs to."""
        value = get_meta(connection, SOURCE)
        return value.decode() if value is not None else None

    def snapshot_pending(self, connection: sqlite3.Connection) -> bool:
        """Return whether a snapshot was begun and not finished."""
        return get_meta(connection, SNAPSHOT) is not None

    def begin_snapshot(self, connection: sqlite3.Connection, position: bytes, source: str) -> None:
        """Begin a snapshot: `position` was taken before it, so nothing falls between."""
        set_meta(connection, POSITION, position)
        set_meta(connection, SOURCE, source.encode())
        set_meta(connection, SNAPSHOT, b"1")
        add(connection, GENERATION, 1)

    def end_snapshot(self, connection: sqlite3.Connection) -> None:
        """Note that the snapshot is complete."""
        set_meta(connection, SNAPSHOT, None)

    def forget_position(self, connection: sqlite3.Connection) -> None:
        """Forget the position; the next start takes a snapshot. The caches stay."""
        set_meta(connection, POSITION, None)
        set_meta(connection, SNAPSHOT, None)

    def forget_all(self, connection: sqlite3.Connection) -> None:
        """Forget everything: it belonged to another database. Held events stay."""
        for name in (POSITION, SOURCE, SNAPSHOT):
            set_meta(connection, name, None)
        connection.execute("DELETE FROM documents")
        connection.execute("DELETE FROM messages")

    def drop_unseen(self, connection: sqlite3.Connection) -> int:
        """Forget documents that left the queue in a gap; return how many. Their outcome is not
        known and none is invented. To be called when the stream has caught up after a snapshot."""
        generation = counter(connection, GENERATION)
        gone = connection.execute("DELETE FROM documents WHERE generation < ?", (generation,))
        connection.execute("DELETE FROM messages WHERE generation < ?", (generation,))
        add(connection, "stream.lost_in_gap", gone.rowcount)
        return gone.rowcount

    # Queue documents and messages

    def document(self, connection: sqlite3.Connection, document_id: str) -> bytes | None:
        """Return the remembered queue document."""
        row = connection.execute(
            "SELECT body FROM documents WHERE id = ?", (document_id,)
        ).fetchone()
        return bytes(row[0]) if row else None

    def put_document(self, connection: sqlite3.Connection, document_id: str, body: bytes) -> None:
        """Remember a queue document."""
        connection.execute(
            "INSERT OR REPLACE INTO documents VALUES (?, ?, ?)",
            (document_id, counter(connection, GENERATION), body),
        )

    def remove_document(self, connection: sqlite3.Connection, document_id: str) -> None:
        """Forget a queue document."""
        connection.execute("DELETE FROM documents WHERE id = ?", (document_id,))

    def message(self, connection: sqlite3.Connection, queue_id: str) -> bytes | None:
        """Return what is remembered of the message with this queue id."""
        row = connection.execute(
            "SELECT body FROM messages WHERE queue_id = ?", (queue_id,)
        ).fetchone()
        return bytes(row[0]) if row else None

    def put_message(
        self, connection: sqlite3.Connection, file_id: str, queue_id: str, body: bytes
    ) -> None:
        """Remember a message."""
        connection.execute(
            "INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?)",
            (file_id, queue_id, counter(connection, GENERATION), body),
        )

    def remove_message(self, connection: sqlite3.Connection, file_id: str) -> None:
        """Forget a message: its last recipient has left."""
        connection.execute("DELETE FROM messages WHERE file_id = ?", (file_id,))

    # Held events and notifications

    def hold(self, connection: sqlite3.Connection, event: HeldEvent, now_ms: int) -> None:
        """Keep an event for its grace. The same id again changes nothing."""
        connection.execute(
            "INSERT OR IGNORE INTO held (event_id, due_ms, at_ms, final, recipient, queue_id,"
            " message_id, session_id, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                event.event_id,
                now_ms + self.grace_ms,
                event.at_ms,
                event.final,
                event.recipient,
                event.queue_id,
                event.message_id,
                event.session_id,
                event.body,
            ),
        )

    def renew_grace(self, connection: sqlite3.Connection, now_ms: int) -> None:
        """Let everything held wait its grace from now on."""
        connection.execute("UPDATE held SET due_ms = ?", (now_ms + self.grace_ms,))
        connection.execute("UPDATE notices SET seen_ms = ?", (now_ms,))

    def due(
        self, connection: sqlite3.Connection, now_ms: int, *, finals_until_ms: int
    ) -> list[HeldEvent]:
        """Return held events whose grace is over. Outcomes only if they happened before
        `finals_until_ms`: as far as notifications about them would have been seen."""
        rows = connection.execute(
            "SELECT event_id, final, at_ms, queue_id, recipient, message_id, session_id, body"
            # The second half: a clock set back must not hold events for as long.
            " FROM held WHERE (due_ms <= ? OR due_ms > ?) AND (final = 0 OR at_ms <= ?)"
            " ORDER BY due_ms LIMIT ?",
            (now_ms, now_ms + 2 * self.grace_ms + 1000, finals_until_ms, RELEASE_STEP),
        )
        return [HeldEvent(*row) for row in rows.fetchall()]

    def unhold(self, connection: sqlite3.Connection, event: HeldEvent) -> None:
        """Drop a held event."""
        connection.execute("DELETE FROM held WHERE event_id = ?", (event.event_id,))

    def put_notice(self, connection: sqlite3.Connection, notice: Notice, now_ms: int) -> None:
        """Remember what a notification says of one recipient."""
        connection.execute(
            "INSERT INTO notices (recipient, message_id, session_id, seen_ms) VALUES (?, ?, ?, ?)",
            (notice.recipient, notice.message_id, notice.session_id, now_ms),
        )

    def notices(self, connection: sqlite3.Connection, recipient: str) -> list[Notice]:
        """Return the notifications about `recipient` (lower case), oldest first."""
        rows = connection.execute(
            "SELECT recipient, message_id, session_id, n FROM notices WHERE recipient = ?"
            " ORDER BY n",
            (recipient,),
        )
        return [Notice(*row) for row in rows.fetchall()]

    def use_notice(self, connection: sqlite3.Connection, notice: Notice) -> None:
        """Forget a notification that explained an outcome: it explains only one."""
        connection.execute("DELETE FROM notices WHERE n = ?", (notice.n,))

    def forget_notices(self, connection: sqlite3.Connection, now_ms: int) -> None:
        """Forget notifications nothing came to."""
        oldest_ms = now_ms - NOTICE_MEMORY_MS - 2 * self.grace_ms
        connection.execute("DELETE FROM notices WHERE seen_ms < ?", (oldest_ms,))
