"""State of the change stream: queue documents, messages, held events, its position.

A delete without a pre-image carries only an id, so all fields of an event are stored
from the time the message was queued.
"""

from typing import NamedTuple

from agent.spool.stream_position import StreamPosition
from agent.spool.transaction import Transaction

SNAPSHOT = "stream.snapshot"  # present while a snapshot is not yet complete
GENERATION = "stream.generation"  # a counter: snapshots begun

# A delivery status notification is remembered this long for the delete it belongs to.
NOTICE_MEMORY_MS = 600_000
RELEASE_STEP = 1000
FOREVER_MS = 2**62


class HeldEvent(NamedTuple):
    """An event in its grace, a row of the table `held`. `final`: an inferred outcome, which a
    notification may yet change."""

    event_id: bytes
    final: bool
    at_ms: int  # when it happened, by MongoDB's clock
    queue_id: str
    recipient: str
    message_id: str | None
    session_id: str | None
    body: bytes


class Notice(NamedTuple):
    """One recipient of a delivery status notification. `n`: its row, 0 before."""

    recipient: str
    message_id: str | None
    session_id: str | None
    n: int = 0


_HELD = ", ".join(HeldEvent._fields)


class ChangeStreamState(StreamPosition):
    """The tables of the change stream, in one transaction."""

    def __init__(self, tx: Transaction, *, grace_ms: int) -> None:
        super().__init__(tx, "stream")
        self.grace_ms = grace_ms

    # Snapshots

    def snapshot_pending(self) -> bool:
        return self.tx.meta(SNAPSHOT) is not None

    def begin_snapshot(self, position: bytes, source: str) -> None:
        """Begin a snapshot: `position` was taken before it, so nothing falls between."""
        self.begin(position, source)
        self.tx.set_meta(SNAPSHOT, b"1")
        self.tx.add(GENERATION, 1)

    def end_snapshot(self) -> None:
        self.tx.set_meta(SNAPSHOT, None)

    def forget_position(self) -> None:
        """Forget the position; the next start takes a snapshot. The caches stay."""
        super().forget_position()
        self.tx.set_meta(SNAPSHOT, None)

    def forget_all(self) -> None:
        """Forget everything: it belonged to another database. Held events stay."""
        super().forget_all()
        self.tx.set_meta(SNAPSHOT, None)
        self.tx.execute("DELETE FROM documents")
        self.tx.execute("DELETE FROM messages")

    def drop_unseen(self) -> int:
        """Forget documents that left the queue in a gap; return how many. Their outcome is not
        known and none is invented. To be called when the stream has caught up after a snapshot."""
        generation = self.tx.counter(GENERATION)
        gone = self.tx.execute("DELETE FROM documents WHERE generation < ?", (generation,))
        self.tx.execute("DELETE FROM messages WHERE generation < ?", (generation,))
        self.tx.add("stream.lost_in_gap", gone.rowcount)
        return gone.rowcount

    # Queue documents and messages

    def document(self, document_id: str) -> bytes | None:
        row = self.tx.execute("SELECT body FROM documents WHERE id = ?", (document_id,)).fetchone()
        return bytes(row[0]) if row else None

    def put_document(self, document_id: str, body: bytes) -> None:
        self.tx.execute(
            "INSERT OR REPLACE INTO documents VALUES (?, ?, ?)",
            (document_id, self.tx.counter(GENERATION), body),
        )

    def remove_document(self, document_id: str) -> None:
        self.tx.execute("DELETE FROM documents WHERE id = ?", (document_id,))

    def message(self, queue_id: str) -> bytes | None:
        row = self.tx.execute(
            "SELECT body FROM messages WHERE queue_id = ?", (queue_id,)
        ).fetchone()
        return bytes(row[0]) if row else None

    def put_message(self, file_id: str, queue_id: str, body: bytes) -> None:
        self.tx.execute(
            "INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?)",
            (file_id, queue_id, self.tx.counter(GENERATION), body),
        )

    def remove_message(self, file_id: str) -> None:
        """Forget a message: its last recipient has left."""
        self.tx.execute("DELETE FROM messages WHERE file_id = ?", (file_id,))

    # Held events and notifications

    def hold(self, event: HeldEvent, now_ms: int) -> None:
        """Store an event for its grace. The same id again changes nothing."""
        self.tx.execute(
            f"INSERT OR IGNORE INTO held ({_HELD}, due_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (*event, now_ms + self.grace_ms),
        )

    def renew_grace(self, now_ms: int) -> None:
        """Let everything held wait its grace from now on."""
        self.tx.execute("UPDATE held SET due_ms = ?", (now_ms + self.grace_ms,))
        self.tx.execute("UPDATE notices SET seen_ms = ?", (now_ms,))

    def due_events(self, now_ms: int, *, finals_until_ms: int) -> list[HeldEvent]:
        """Return held events whose grace is over. Outcomes only if they happened before
        `finals_until_ms`: as far as notifications about them would have been seen."""
        rows = self.tx.execute(
            f"SELECT {_HELD}"  # noqa: S608
            # The second half: a clock set back must not hold events for as long.
            " FROM held WHERE (due_ms <= ? OR due_ms > ?) AND (final = 0 OR at_ms <= ?)"
            " ORDER BY due_ms LIMIT ?",
            (now_ms, now_ms + 2 * self.grace_ms + 1000, finals_until_ms, RELEASE_STEP),
        )
        return [HeldEvent(*row) for row in rows.fetchall()]

    def remove_held(self, event: HeldEvent) -> None:
        self.tx.execute("DELETE FROM held WHERE event_id = ?", (event.event_id,))

    def hold_unnamed(self, final_key: bytes, body: bytes, now_ms: int) -> None:
        """Store an outcome that a plugin reported without a recipient, for as long as the stream
        may take to bring the delivery."""
        self.tx.execute(
            "INSERT OR IGNORE INTO unnamed VALUES (?, ?, ?)",
            (final_key, now_ms + 2 * self.grace_ms, body),
        )

    def take_unnamed(self, *final_keys: bytes) -> list[bytes]:
        """Remove and return the unnamed reports of these deliveries' outcomes."""
        bodies = []
        for key in final_keys:
            bodies += self.find_unnamed(key)
            if bodies:
                self.tx.execute("DELETE FROM unnamed WHERE final_key = ?", (key,))
        return bodies

    def find_unnamed(self, key: bytes) -> list[bytes]:
        """Return the unnamed reports of these deliveries' outcomes, which stay."""
        rows = self.tx.execute("SELECT body FROM unnamed WHERE final_key = ?", (key,))
        return [bytes(row[0]) for row in rows.fetchall()]

    def unnamed(self, *, due_ms: int = FOREVER_MS) -> list[bytes]:
        """Return the keys of the unnamed reports that have waited long enough by `due_ms`."""
        rows = self.tx.execute(
            # The second half as in due_events.
            "SELECT final_key FROM unnamed WHERE due_ms <= ? OR due_ms > ? LIMIT ?",
            (due_ms, due_ms + 2 * self.grace_ms + 1000, RELEASE_STEP),
        )
        return [bytes(row[0]) for row in rows.fetchall()]

    def put_notice(self, notice: Notice, now_ms: int) -> None:
        self.tx.execute(
            "INSERT INTO notices (recipient, message_id, session_id, seen_ms) VALUES (?, ?, ?, ?)",
            (notice.recipient, notice.message_id, notice.session_id, now_ms),
        )

    def notices(self, recipient: str) -> list[Notice]:
        """Return the notifications about `recipient` (lower case), oldest first."""
        rows = self.tx.execute(
            "SELECT recipient, message_id, session_id, n FROM notices WHERE recipient = ?"
            " ORDER BY n",
            (recipient,),
        )
        return [Notice(*row) for row in rows.fetchall()]

    def use_notice(self, notice: Notice) -> None:
        """Forget a notification that explained an outcome: it explains only one."""
        self.tx.execute("DELETE FROM notices WHERE n = ?", (notice.n,))

    def forget_notices(self, now_ms: int) -> None:
        """Forget notifications that explained nothing in their time."""
        oldest_ms = now_ms - NOTICE_MEMORY_MS - 2 * self.grace_ms
        self.tx.execute("DELETE FROM notices WHERE seen_ms < ?", (oldest_ms,))
