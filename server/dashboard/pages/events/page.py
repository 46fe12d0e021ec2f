"""Lines of the event list, and the parts of one event. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from server.dashboard.pages.events.search import LABELS, param_name
from server.dashboard.shell.event_types import EVENT_TYPES, EventType
from server.dashboard.shell.lists.links import column_href, trace_href
from server.events.bounce_classes.classify import find_meaning
from server.events.domains import to_unicode
from server.events.providers import find_provider
from server.events.queries import DOMAINS, Position
from server.events.replies import find_reply
from server.formats import UNKNOWN, byte_size, milliseconds, thousands
from server.rollups.plan import YEARS

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """One event of the list. `reply`: the remote server's, verbatim; empty: not known.

    `story`: where the trace of its message is.
    """

    event_id: UUID
    at: datetime
    kind: EventType
    direction: str
    node: str
    sender: str
    recipient: str
    reply: str
    peer: str
    is_inferred: bool
    story: str


@dataclass(frozen=True)
class Fact:
    """One name and value of an event. `query`: the filter that finds its like; empty: none.

    `is_foreign`: text of others, shown in monospace. `href`: the page of what it names.
    """

    label: str
    value: str
    query: str = ""
    is_foreign: bool = False
    href: str = ""


#: The parts of an event's page: heading → column → label.
GROUPS: dict[str, dict[str, str]] = {
    "Envelope": {
        "from_address": "from", "from_domain": "from domain", "to_address": "to",
        "to_domain": "to domain", "auth_user": "submitted by", "account": "account",
        "account_name": "name of the account", "origin": "origin",
    },
    "Outcome": {
        "status_code": "reply code", "mx_host": "remote server", "bounce_type": "bounce type",
        "bounce_category": "bounce category", "attempt": "attempt", "tls": "TLS",
        "provider": "provider", "bounce_class": "class of the reply",
        "reply_fingerprint": "fingerprint of the reply",
    },
    "Mailbox": {
        "mailbox": "mailbox", "filter_outcome": "filters", "wildduck_id": "WildDuck's id",
        "parent_id": "caused by", "caused_queue_id": "caused mail", "protocol": "protocol",
        "scope": "password for",
    },
    "Times": {
        "delivery_time_ms": "delivery (connect to final reply)",
        "queue_time_ms": "in the queue before this attempt", "total_time_ms": "both",
    },
    "Where": {
        "mta_node": "node", "zone": "zone", "sending_ip": "sending IP",
        "sending_ip_v6": "sending IPv6", "client_ip": "handed in by",
    },
    "Message": {
        "message_id": "message id", "queue_id": "queue id", "queue_seq": "recipient's number",
        "message_size_bytes": "size", "has_attachment": "attachments",
        "attachment_count": "number of attachments", "subject_hash": "hash of the subject",
    },
    "Checks": {
        "spf_result": "SPF", "dkim_result": "DKIM", "dmarc_result": "DMARC",
        "spam_score": "spam score", "spam_action": "spam action", "spam_symbols": "spam symbols",
    },
}  # fmt: skip
#: Text of others, by its column.
FOREIGN = frozenset((
    "from_address", "from_domain", "to_address", "to_domain", "auth_user", "mx_host",
    "bounce_category", "tls", "mta_node", "zone", "message_id", "queue_id", "queue_seq",
    "subject_hash", "spam_action", "spam_symbols", "provider",
    "account", "account_name", "mailbox", "filter_outcome", "wildduck_id", "parent_id",
    "caused_queue_id", "protocol", "scope",
))  # fmt: skip
#: Outcomes whose reply says why mail was not taken.
REFUSALS = frozenset(("bounced", "deferred"))
#: How a number is written, by its column.
WRITTEN: dict[str, Callable[[Any], str]] = {
    "attempt": thousands,
    "delivery_time_ms": milliseconds,
    "queue_time_ms": milliseconds,
    "total_time_ms": milliseconds,
    "message_size_bytes": byte_size,
    "attachment_count": thousands,
}


def build_line(event: Event) -> Line:
    return Line(
        event_id=event["event_id"],
        at=event["occurred_at"],
        kind=EVENT_TYPES[event["event_type"]],
        direction=event["direction"],
        node=event["mta_node"],
        sender=event["from_address"] or UNKNOWN,
        recipient=event["to_address"] or event["to_domain"] or UNKNOWN,
        reply=find_reply(event) or "",
        peer=event["mx_host"] or event["client_ip"] or "",
        is_inferred=event["certainty"] == "inferred",
        story=trace_href(event["queue_id"] or event["message_id"] or event["event_id"]),
    )


def group_facts(event: Event, carried_query: str) -> dict[str, tuple[Fact, ...]]:
    """Return what is known of an event by heading; what is not known is left out."""
    groups = {
        title: tuple(
            _fact(event, column, label, carried_query)
            for column, label in labels.items()
            if event[column] not in (None, "", [])
        )
        for title, labels in GROUPS.items()
    }
    groups["Outcome"] += tuple(_read_outcome(event))
    return {title: facts for title, facts in groups.items() if facts}


def _read_outcome(event: Event) -> Iterator[Fact]:
    """Yield what the remote server's name and reply mean, where it is not stored with the event."""
    if event["direction"] != "outbound":
        return
    provider = find_provider(event["mx_host"])
    if provider and provider.kind != "unknown":
        yield Fact("operator of the remote server", f"{provider.name} ({provider.kind})")
    reply = find_reply(event)
    if event["event_type"] in REFUSALS and reply and event["bounce_class"] is None:
        meaning = find_meaning(event["bounce_category"], reply, code=event["status_code"])
        yield Fact("class of the reply", meaning.bounce_class)


def build_chips(
    filters: Mapping[str, Any], carried: Mapping[str, str]
) -> list[tuple[str, Any, str]]:
    """Return label and value of the filters in force, and the query string without each."""
    return [
        (LABELS[name], value, build_query({**filters, name: None}, carried))
        for name, value in filters.items()
    ]


def list_pages(filters: Mapping[str, Any], carried: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return label and address of the page of each thing that the filters name, and the trace."""
    pages = [
        (f"page of this {LABELS[name]}", column_href(name, value, carried))
        for name, value in filters.items()
        if value and filters.get("direction") != "inbound" and not is_several(value)
    ]
    of_message = filters.get("queue_id") or filters.get("message_id")
    pages.append(("trace of this message", trace_href(of_message, carried)))
    return [(label, href) for label, href in pages if href]


def is_several(value: Any) -> bool:
    """Return whether a filter's value stands for several, which have no page of their own."""
    return isinstance(value, str) and ("," in value or value.startswith("*"))


def build_query(filters: Mapping[str, Any], carried: Mapping[str, str], **more: str) -> str:
    named = {param_name(name): value for name, value in filters.items() if value is not None}
    return urlencode({**named, **carried, **more})


def format_cursor(event: Event) -> str:
    return f"{event['occurred_at'].isoformat()}~{event['event_id']}"


def parse_cursor(text: str) -> Position | None:
    """Return the place that `cursor` made; None for text it did not make."""
    at, _, event_id = text.replace(" ", "+").partition("~")
    try:
        place = Position(datetime.fromisoformat(at), UUID(event_id))
    except ValueError:
        return None
    is_sane = place.occurred_at.tzinfo and place.occurred_at.year in YEARS
    return place if is_sane else None


def find_history(events: Sequence[Event], of: Event) -> list[Event]:
    """Return what else happened to the message of an event for the same recipient, oldest first.

    What concerns no single recipient (received) belongs to it as well.
    """
    return sorted(
        (
            each
            for each in events
            if None in (each["to_address"], of["to_address"])
            or each["to_address"].lower() == of["to_address"].lower()
        ),
        key=lambda each: (each["occurred_at"], str(each["event_id"])),
    )


def _fact(event: Event, column: str, label: str, carried_query: str) -> Fact:
    value = event[column]
    if write := WRITTEN.get(column):
        return Fact(label, write(value))
    if isinstance(value, bool):
        return Fact(label, "yes" if value else "none")
    text = ", ".join(value) if isinstance(value, list) else str(value)
    if column in DOMAINS:
        text = to_unicode(text)
    same = urlencode({param_name(column): value}) if column in LABELS else ""
    if same and carried_query:
        same = f"{same}&{carried_query}"
    # Pages are of outbound mail, but those of nodes.
    has_page = event["direction"] == "outbound" or column == "mta_node"
    href = column_href(column, value, carried_query) if has_page else ""
    return Fact(label, text, query=same, is_foreign=column in FOREIGN, href=href)
