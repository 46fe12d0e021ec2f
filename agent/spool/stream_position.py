"""Position of a change stream: where it is read from next, of which database, and its gaps."""

import msgspec
from msgspec.structs import replace

from agent.spool.transaction import Transaction

MAX_GAPS = 20


class Gap(msgspec.Struct, frozen=True):
    """A stretch of time that the stream has no changes of. `from_ms` None: from the beginning.
    `lost_count`: recipients that left the queue in it, in unknown ways; None: not counted."""

    from_ms: int | None
    to_ms: int
    reason: str
    lost_count: int | None = None


class StreamPosition:
    """The position of the stream `name`, in one transaction."""

    def __init__(self, tx: Transaction, name: str) -> None:
        self.tx = tx
        self._position, self._source = f"{name}.position", f"{name}.source"
        self._seen_ms = f"{name}.seen_ms"  # MongoDB's time, up to which the stream was read
        self._gaps = f"{name}.gaps"  # JSON, the latest last; and a counter

    def begin(self, position: bytes, source: str) -> None:
        """Save the first position, and the database that it belongs to."""
        self.tx.set_meta(self._position, position)
        self.tx.set_meta(self._source, source.encode())

    def position(self) -> bytes | None:
        return self.tx.meta(self._position)

    def save_position(self, position: bytes) -> None:
        """Save the position up to which everything in this transaction was taken."""
        self.tx.set_meta(self._position, position)

    def source(self) -> str | None:
        """Return which database the position belongs to."""
        value = self.tx.meta(self._source)
        return value.decode() if value is not None else None

    def seen_until(self) -> int | None:
        """Return MongoDB's time in ms up to which the stream was read; None before the first."""
        value = self.tx.meta(self._seen_ms)
        return int(value) if value is not None else None

    def save_seen(self, at_ms: int) -> None:
        """Save up to which of MongoDB's times the stream was read."""
        self.tx.set_meta(self._seen_ms, str(at_ms).encode())

    def gaps(self) -> list[Gap]:
        """Return the latest gaps, oldest first."""
        value = self.tx.meta(self._gaps)
        return msgspec.json.decode(value, type=list[Gap]) if value is not None else []

    def begin_gap(self, reason: str, now_ms: int) -> None:
        """Record that from the time read last until now the stream is not known."""
        gap = Gap(from_ms=self.seen_until(), to_ms=now_ms, reason=reason)
        self._save_gaps([*self.gaps(), gap])
        self.tx.add(self._gaps, 1)

    def end_gap(self, now_ms: int, lost: int | None = None) -> None:
        """Record when the last gap ended and how many recipients left the queue in it."""
        *others, gap = self.gaps()
        self._save_gaps([*others, replace(gap, to_ms=now_ms, lost_count=lost)])

    def forget_position(self) -> None:
        """Forget the position; the next start begins anew."""
        self.tx.set_meta(self._position, None)

    def forget_all(self) -> None:
        """Forget position and source: they belonged to another database."""
        self.tx.set_meta(self._position, None)
        self.tx.set_meta(self._source, None)

    def _save_gaps(self, gaps: list[Gap]) -> None:
        self.tx.set_meta(self._gaps, msgspec.json.encode(gaps[-MAX_GAPS:]))


def read_gaps(tx: Transaction, name: str = "stream") -> list[Gap]:
    """Return the latest gaps of a stream, by default of ZoneMTA's, oldest first."""
    return StreamPosition(tx, name).gaps()
