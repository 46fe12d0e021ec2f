"""Documents of ZoneMTA's collections (they have no status: one lives until its recipient is done
with, however that ends), and the few fields the agent remembers.

Seen on ZoneMTA 3.11 with MongoDB 6.0. Pure.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from agent.wire import AwareTime, Origin

QUEUE = "zone-queue"
FILES = "mail.files"
COLLECTIONS = (QUEUE, FILES)
FILENAME_PREFIX = "message "  # mail.files.filename is this and the queue id
UNASSIGNED = "no"  # of a document that no instance has taken yet
BOUNCE_INTERFACE = "bounce"  # the interface ZoneMTA's own notifications come in by
# Of what WildDuck sends by itself: no client handed it in, and its origin is none's address.
OWN_INTERFACES = frozenset({"forwarder", "autoreplies"})
# Interface → how mail came into the queue; those of other names are receivers of ZoneMTA's.
ORIGINS: Mapping[str, Origin] = {
    "maildrop": "webmail",
    "forwarder": "forward",
    "autoreplies": "autoreply",
    "api": "api",
    BOUNCE_INTERFACE: "dsn",
}


class Deferral(msgspec.Struct, frozen=True):
    """`_deferred` of a queue document. Node.js writes whole numbers as doubles."""

    count: float = 0
    last: float | None = None  # milliseconds since 1970
    response: str | None = None


class QueueDocument(msgspec.Struct, frozen=True, rename={"queue_id": "id", "zone": "sendingZone"}):
    """A document of zone-queue: one recipient of one message."""

    queue_id: str
    seq: str
    recipient: str
    created: AwareTime
    zone: str | None = None
    locked: bool = False
    lockTime: float = 0  # noqa: N815 (milliseconds since 1970; 0: never)
    sessionId: str | None = None  # noqa: N815
    assigned: str = UNASSIGNED  # the instance that took it
    deferral: Deferral | None = msgspec.field(name="_deferred", default=None)


class Header(msgspec.Struct, frozen=True):
    """One header of a message, `key` in lower case, `line` as it stands."""

    key: str
    line: str


class MessageData(msgspec.Struct, frozen=True, rename={"queue_id": "id", "sender": "from"}):
    """`metadata.data` of mail.files. Absent fields are not known."""

    queue_id: str
    sender: str | bool | None = None
    interface: str | None = None
    origin: str | bool | None = None
    user: str | bool | None = None
    # Of another type in each version: text, or MongoDB's id.
    userId: Any = None  # noqa: N815
    parentId: Any = None  # noqa: N815
    messageId: str | bool | None = None  # noqa: N815
    sessionId: str | bool | None = None  # noqa: N815
    bodySize: float | None = None  # noqa: N815 (without the headers)
    headers: list[Header] | None = None


class Message(msgspec.Struct, frozen=True):
    """A message as remembered for the events of its recipients."""

    sender: str | None = None
    message_id: str | None = None
    client_ip: str | None = None
    user: str | None = None
    account: str | None = None
    account_name: str | None = None
    origin: Origin | None = None
    parent_id: str | None = None
    size_bytes: int | None = None


class Change(msgspec.Struct, frozen=True):
    """One change event, decoded no further than every kind of it allows."""

    collection: str
    kind: str  # insert, update, replace, delete
    document_id: str
    at_ms: int  # by MongoDB's clock
    document: Mapping[str, Any] | None = None
    before: Mapping[str, Any] | None = None
    updated: Mapping[str, Any] = {}


def parse_queue_document(raw: Mapping[str, Any]) -> QueueDocument:
    """Return a queue document as read from MongoDB. Raises msgspec.ValidationError."""
    return msgspec.convert({k: v for k, v in raw.items() if v is not None}, QueueDocument)


def parse_message_data(raw: Mapping[str, Any]) -> MessageData:
    """Return `metadata.data` as read from MongoDB. Raises msgspec.ValidationError."""
    return msgspec.convert(raw, MessageData)


def update_document(document: QueueDocument, updated: Mapping[str, Any]) -> QueueDocument:
    """Return `document` with an update's fields laid over it.

    A repeated deferral sets only fields that changed: without `_deferred.response` in it, the
    reply was the same as before. Raises msgspec.ValidationError.
    """
    raw: dict[str, Any] = msgspec.to_builtins(document, builtin_types=(datetime,))
    for name, value in updated.items():
        outer, _, inner = name.partition(".")
        if not inner:
            raw[outer] = value
        elif outer == "_deferred" and "." not in inner:
            raw[outer] = (raw.get(outer) or {}) | {inner: value}
    return parse_queue_document(raw)
