"""Event of what became of a message in a mailbox, or of a login, from any source. Pure.

No field of it holds a subject, a file name or a part of a body.
"""

from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import Any, Literal
from uuid import UUID

import msgspec

from agent.parsers.values import text
from agent.spool import Accepted
from agent.wire import NULL_SENDER, WILDDUCK, AwareTime, event_id

MAX_ADDRESS = 254
MAX_MESSAGE_ID = 255

Source = Literal["wildduck_stream", "gelf"]
MailboxType = Literal[
    "stored", "forwarded", "autoreplied", "dropped", "duplicate", "refused", "login", "login_failed"
]


class MailboxEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event. None: not known, never a guess. `bounce_category`: why mail was refused;
    `status_message`: why a login was."""

    event_id: UUID
    occurred_at: AwareTime
    event_type: MailboxType
    direction: Literal["mailbox"]
    mta_node: str
    source: Source
    certainty: Literal["reported"]
    queue_id: str | None = None
    message_id: str | None = None
    from_address: str | None = None
    to_address: str | None = None
    client_ip: str | None = None
    message_size_bytes: int | None = None
    spam_score: float | None = None
    spam_action: str | None = None
    status_message: str | None = None
    bounce_category: str | None = None
    account: str | None = None
    account_name: str | None = None
    wildduck_id: str | None = None
    mailbox: str | None = None
    filter_outcome: str | None = None
    caused_queue_id: str | None = None
    protocol: str | None = None
    scope: str | None = None


def build(
    event_type: MailboxType,
    *,
    node: str,
    source: Source,
    at: datetime,
    key: Sequence[str] = ("", ""),
    n: int = 0,
    **fields: Any,
) -> MailboxEvent:
    """Return an event under the id of its `key`, the queue id and the delivery, and of `n`."""
    queue_id, delivery = key
    return MailboxEvent(
        event_id=event_id(WILDDUCK, queue_id, delivery, event_type, n),
        occurred_at=at,
        event_type=event_type,
        direction="mailbox",
        mta_node=node,
        source=source,
        certainty="reported",
        **fields,
    )


def accept(event: MailboxEvent) -> Accepted:
    """Return the event as the spool takes it."""
    return Accepted.read(msgspec.json.encode(event))


def sender(value: Any) -> str | None:
    """Return a sender's address; that of notifications is empty."""
    return NULL_SENDER if value in ("", NULL_SENDER) else text(value, limit=MAX_ADDRESS)


def ip(value: Any) -> str | None:
    """Return an address of a client; None for a host's name."""
    try:
        address = ip_address(value) if isinstance(value, str) else None
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return None if address is None else str(mapped or address).partition("%")[0]
