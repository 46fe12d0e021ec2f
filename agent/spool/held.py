"""What the change stream holds, as plain data: shared by the spool and the pure mapping."""

from dataclasses import dataclass


@dataclass(frozen=True)
class HeldEvent:
    """An event in its grace. `final`: an inferred outcome, which a notification may yet change."""

    event_id: bytes
    final: bool
    at_ms: int  # when it happened, by MongoDB's clock
    queue_id: str
    recipient: str
    message_id: str | None
    session_id: str | None
    body: bytes


@dataclass(frozen=True)
class Notice:
    """What a delivery status notification says of one recipient. `n`: its row, 0 before."""

    recipient: str
    message_id: str | None
    session_id: str | None
    n: int = 0
