"""Events from ZoneMTA's documents. Pure. A field the database does not have is None, never a guess.

The database shows that a recipient was queued and deferred, and that it left the queue, not how:
delivered, bounced and dropped all delete the document. So an outcome is inferred, and marked so.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from agent import clock, wire
from agent.events.change_stream import text
from agent.events.change_stream.zonemta import (
    BOUNCE_INTERFACE,
    ORIGINS,
    OWN_INTERFACES,
    Deferral,
    Message,
    MessageData,
    QueueDocument,
)
from agent.spool.change_stream_state import HeldEvent, Notice
from agent.wire import EmailEvent, EventType

CRLF = 2
#: What a plugin does not know of a delivery that its ZoneMTA did not route.
NAMING = ("to_address", "from_address", "message_id", "zone", "auth_user", "message_size_bytes",
          "account", "account_name", "origin", "parent_id")  # fmt: skip
_REPLY = re.compile(r"([2-5]\d\d)(?:[ -]|$)")


def sent_event(node: str, document: QueueDocument, message: Message) -> EmailEvent:
    """Return the event of a recipient entering the queue. Its time is the document's own, so that
    a snapshot and the stream give the same."""
    at = document.created.astimezone(UTC)
    return _event(node, document, message, "sent", at, attempt=0, client_ip=message.client_ip)


def deferrals(document: QueueDocument) -> int:
    """Return how often this recipient was deferred. Mail delayed on purpose has 0."""
    return int(document.deferral.count) if document.deferral else 0


def deferred_event(
    node: str, document: QueueDocument, message: Message, *, at_ms: int
) -> EmailEvent:
    """Return the event of the document's last deferral. `at_ms`: its time, if it has none."""
    deferral = document.deferral or Deferral()
    return _event(
        node,
        document,
        message,
        "deferred",
        clock.from_ms(deferral.last or at_ms),
        n=deferrals(document),
        attempt=deferrals(document),
        status_code=reply_code(deferral.response),
        status_message=deferral.response,
        bounce_type="soft",
        bounce_message=deferral.response,
        queue_time_ms=_queue_time_ms(document),
    )


def inferred_outcome(
    node: str, document: QueueDocument, message: Message, *, at_ms: int
) -> EmailEvent:
    """Return the inferred outcome of a deleted document: dropped when no sender had locked it,
    else delivered, unless there is a notification (`to_bounce`)."""
    at = clock.from_ms(at_ms)
    if not document.locked:
        return _event(node, document, message, "dropped", at, certainty="inferred")
    return _event(
        node,
        document,
        message,
        "delivered",
        at,
        certainty="inferred",
        attempt=deferrals(document) + 1,
        queue_time_ms=_queue_time_ms(document),
    )


def to_bounce(event: EmailEvent) -> EmailEvent:
    """Return the inferred delivery as the bounce its notification makes it. The reply is not in
    the database, so it stays unknown."""
    return identify(replace(event, event_type="bounced"))


def identify(event: EmailEvent) -> EmailEvent:
    """Return the event under its id: its type is another now, or an agent of the version before
    held it."""
    return event if event.own_id == event.event_id else replace(event, event_id=event.own_id)


def name_report(report: bytes, event: EmailEvent) -> bytes:
    """Return the JSON of an outcome that a plugin reported without a recipient, with what the
    database knows of the delivery."""
    known = {name: value for name in NAMING if (value := getattr(event, name)) is not None}
    named = known | msgspec.json.decode(report)
    if "queue_seq" not in named:  # of all recipients of the message, each of which has its own id
        named["queue_seq"] = event.queue_seq
        named["event_id"] = identify(replace(event, event_type=named["event_type"])).event_id
    return msgspec.json.encode(named)


def to_held(
    event: EmailEvent, document: QueueDocument, *, read_at_ms: int | None = None
) -> HeldEvent:
    """Return the event in the form that waits out its grace. `read_at_ms`: its time by MongoDB's
    clock, if that is another."""
    return HeldEvent(
        event_id=event.event_id.bytes,
        final=event.event_type in wire.FINAL_TYPES,
        at_ms=clock.to_ms(event.occurred_at) if read_at_ms is None else read_at_ms,
        queue_id=event.queue_id,
        recipient=text.fold(event.to_address),
        message_id=event.message_id,
        session_id=document.sessionId,
        body=msgspec.json.encode(event),
    )


def to_message(data: MessageData) -> Message:
    """Return the fields worth remembering of a message."""
    size = None
    if data.bodySize is not None and data.headers is not None:
        # ZoneMTA keeps header lines as binary strings: a character is a byte.
        lines = sum(len(header.line) + CRLF for header in data.headers)
        size = int(data.bodySize) + lines + CRLF
    user, user_id = _text(data.user), _id(data.userId)
    name = _text(user.partition("[")[0]) if user else None
    return Message(
        # An empty sender is how ZoneMTA writes the null sender; absent is absent.
        sender=None if data.sender is None else (_text(data.sender) or wire.NULL_SENDER),
        message_id=_text(data.messageId),
        client_ip=None if data.interface in OWN_INTERFACES else _ip(_text(data.origin)),
        user=user,
        account=user_id or name,
        account_name=name if user_id else None,
        origin=ORIGINS.get(data.interface, "smtp") if data.interface else None,
        # Of a submission it names nothing.
        parent_id=_id(data.parentId) if data.interface in OWN_INTERFACES else None,
        size_bytes=size,
    )


def bounce_notices(data: MessageData) -> list[Notice]:
    """Return a notice for each failed recipient if the message is ZoneMTA's notification of a
    failure; none for any other message, a notification of delay included."""
    # The subject is: Delivery Status Notification (Delay: address)
    is_delay = _header(data, "subject").partition("(")[2].lower().startswith("delay")
    if data.interface != BOUNCE_INTERFACE or is_delay:
        return []
    return [
        Notice(
            recipient=text.fold(address),
            message_id=_header(data, "in-reply-to") or None,
            session_id=_text(data.sessionId),
        )
        for address in text.split_addresses(_header(data, "x-failed-recipients"))
    ]


def find_bounce_notice(event: HeldEvent, candidates: Iterable[Notice]) -> Notice | None:
    """Return the notification that belongs to this outcome. One session may hand in several
    messages and one message be sent in several sessions, so all fields both have must agree."""
    message_id = text.fold_message_id(event.message_id)
    for notice in candidates:
        pairs = [
            (message_id, text.fold_message_id(notice.message_id)),
            (event.session_id, notice.session_id),
        ]
        known = [mine == theirs for mine, theirs in pairs if mine and theirs]
        if known and all(known) and notice.recipient == event.recipient:
            return notice
    return None


def reply_code(response: str | None) -> int | None:
    """Return the code a reply begins with; None for ZoneMTA's own words (`Connection closed`)."""
    match = _REPLY.match(response or "")
    return int(match[1]) if match else None


def _event(
    node: str,
    document: QueueDocument,
    message: Message,
    event_type: EventType,
    at: datetime,
    *,
    n: int = 0,
    certainty: Literal["reported", "inferred"] = "reported",
    **more: Any,
) -> EmailEvent:
    delivery = document.seq or document.recipient
    return EmailEvent(
        event_id=wire.event_id(wire.ZONEMTA, document.queue_id, delivery, event_type, n),
        occurred_at=at,
        event_type=event_type,
        direction=wire.OUTBOUND,
        mta_node=node,
        queue_id=document.queue_id,
        queue_seq=document.seq,
        to_address=document.recipient,
        zone=document.zone,
        from_address=message.sender,
        message_id=message.message_id,
        auth_user=message.user,
        account=message.account,
        account_name=message.account_name,
        origin=message.origin,
        parent_id=message.parent_id,
        message_size_bytes=message.size_bytes,
        source="change_stream",
        certainty=certainty,
        **more,
    )


def _queue_time_ms(document: QueueDocument) -> int | None:
    """Creation to the start of this attempt, which is when a sender locked the document."""
    if not document.lockTime:
        return None
    waited = document.lockTime - document.created.timestamp() * 1000
    return int(waited) if waited >= 0 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _id(value: object) -> str | None:
    """Return an id that is text, or MongoDB's own, as text. By name: its library is loaded only
    where a database is followed."""
    return str(value) if type(value).__name__ == "ObjectId" else _text(value)


def _ip(address: str | None) -> str | None:
    try:
        return str(ip_address(address)) if address else None
    except ValueError:
        return None


def _header(data: MessageData, key: str) -> str:
    """Return the text of the first such header, empty when there is none."""
    for header in data.headers or []:
        if header.key == key:
            return text.decode(header.line.partition(":")[2])
    return ""
