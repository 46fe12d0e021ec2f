"""Pure: one event as it arrived → one line for PostgreSQL's COPY, or the reason why not."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

import msgspec

from server.events.columns import COLUMNS, NAMES, SPAM_SYMBOL_CHARS, SPAM_SYMBOLS_MAX
from server.events.wire import Event

#: How far ahead of our clock an event may be: beyond it a wrong clock makes chunks in the future.
MAX_AHEAD = timedelta(minutes=10)
NULL_SENDER = "<>"
IP_FIELDS = ("sending_ip", "sending_ip_v6", "client_ip")
_NEEDS_ESCAPE = re.compile(r"[\\\n\r\t]")
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_decode = msgspec.json.Decoder(Event).decode


class Refused(ValueError):
    """This event is not taken; the text says why and names the field."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the door knows beside the event: the key's node, and the times that are taken."""

    node: str | None
    oldest: datetime
    newest: datetime

    @classmethod
    def at(cls, now: datetime, *, node: str | None, retention: timedelta) -> "Context":
        """Return the context of a batch that arrives at `now`."""
        return cls(node=node, oldest=now - retention, newest=now + MAX_AHEAD)


def copy_line(raw: bytes | msgspec.Raw, context: Context) -> str:
    """Return `raw`, one JSON object, as a COPY line. Raises Refused."""
    try:
        event = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(str(error)) from error
    return to_line(normalised(event, context))


def normalised(event: Event, context: Context) -> dict[str, Any]:
    """Return the column values of an event, with aliases, derived fields and limits applied."""
    row: dict[str, Any] = msgspec.structs.asdict(event)
    row["occurred_at"] = _occurred_at(event, context)
    row["mta_node"] = _node(event, context)
    row["from_address"] = NULL_SENDER if event.from_address == "" else event.from_address
    _derive(row, "from_address", "from_user", "from_domain")
    _derive(row, "to_address", None, "to_domain")
    for name in IP_FIELDS:
        if row[name] is not None:
            row[name] = _ip(name, row[name])
    for column in COLUMNS:
        if column.max_chars and row[column.name] is not None:
            row[column.name] = _text(column.name, row[column.name], column.max_chars)
    if event.spam_symbols is not None:
        row["spam_symbols"] = _text_array(event.spam_symbols)
    return row


def to_line(row: dict[str, Any]) -> str:
    """Return column values as a line of COPY's text format; missing ones are NULL."""
    return "\t".join([_field(row.get(name)) for name in NAMES])


def _occurred_at(event: Event, context: Context) -> datetime:
    at = event.occurred_at or event.timestamp or event.time
    if at is None:
        raise Refused("Object missing required field `occurred_at`")
    if at > context.newest:
        raise Refused(f"occurred_at {at.isoformat()} is more than 10 minutes ahead")
    if at < context.oldest:
        raise Refused(f"occurred_at {at.isoformat()} is older than the retention of events")
    return at.astimezone(UTC)


def _node(event: Event, context: Context) -> str:
    if context.node is None:
        if not event.mta_node:
            raise Refused("mta_node is missing, and this key is bound to no node")
        return event.mta_node
    if event.mta_node and event.mta_node != context.node:
        raise Refused(f"mta_node: this key speaks for {context.node!r} only")
    return context.node


def _derive(row: dict[str, Any], address: str, user: str | None, domain: str) -> None:
    text: str | None = row[address]
    if text and text != NULL_SENDER:
        local, at, host = text.rpartition("@")
        if user and row[user] is None:
            row[user] = local if at else text
        if row[domain] is None and at:
            row[domain] = host
    if row[domain] is not None:
        row[domain] = row[domain].lower()


@lru_cache(maxsize=10_000)
def _canonical_ip(text: str) -> str:
    return str(ip_address(text))


def _ip(name: str, text: str) -> str:
    try:
        return _canonical_ip(text)
    except ValueError as error:
        raise Refused(f"{name}: {error}") from error


def _text(name: str, text: str, max_chars: int) -> str:
    if "\0" in text:
        # PostgreSQL refuses the whole batch for one of these.
        raise Refused(f"{name}: a NUL character cannot be stored")
    return text[:max_chars]


def _text_array(symbols: list[str]) -> str:
    kept = [_text("spam_symbols", s, SPAM_SYMBOL_CHARS) for s in symbols[:SPAM_SYMBOLS_MAX]]
    quoted = ['"' + s.replace("\\", "\\\\").replace('"', '\\"') + '"' for s in kept]
    return "{" + ",".join(quoted) + "}"


def _field(value: Any) -> str:
    write = _WRITERS.get(type(value))
    return write(value) if write else str(value)


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES) if _NEEDS_ESCAPE.search(text) else text


_WRITERS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "\\N",
    str: _escaped,
    bool: lambda value: "t" if value else "f",
    datetime: datetime.isoformat,
}
