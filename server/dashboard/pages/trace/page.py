"""Lines of the page of a trace, and the same as text to paste. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from server.dashboard.shell.event_types import EVENT_TYPES, EventType
from server.dashboard.shell.lists.links import column_href, trace_href
from server.events.replies import find_reply
from server.formats import UNKNOWN, duration, isolate, milliseconds, thousands
from server.trace.endings import Ending
from server.trace.identifiers import identify
from server.trace.timeline import Message, Recipient, Step, Trace

Event = Mapping[str, Any]
#: Direction, type → what happened, in words; then what is known of the other side.
TITLES = {
    ("inbound", "received"): "Came in",
    ("inbound", "delivered"): "Handed to WildDuck",
    ("inbound", "rejected"): "Refused",
    ("inbound", "greylisted"): "Refused for now by greylisting",
    ("inbound", "deferred"): "Refused for now",
    ("outbound", "sent"): "Queued",
    ("outbound", "delivered"): "Taken by the remote server",
    ("outbound", "deferred"): "Not taken yet",
    ("outbound", "bounced"): "Given up",
    ("outbound", "rejected"): "Refused at submission",
    ("outbound", "dropped"): "Removed from the queue",
    ("mailbox", "stored"): "Stored",
    ("mailbox", "forwarded"): "Forwarded",
    ("mailbox", "autoreplied"): "Answered automatically",
    ("mailbox", "dropped"): "Dropped by a filter",
    ("mailbox", "duplicate"): "Dropped as a duplicate",
    ("mailbox", "refused"): "Refused",
}
#: How a message began, by its origin.
ORIGINS = {
    "smtp": "submitted by SMTP",
    "webmail": "written in webmail",
    "api": "submitted by the API",
    "forward": "forward",
    "autoreply": "automatic reply",
    "dsn": "notice of a bounce",
}
#: Column → label of what a step shows, in this order.
DETAILS = {
    "client_ip": "from", "sending_ip": "from", "mx_host": "to", "tls": "TLS", "mailbox": "mailbox",
    "filter_outcome": "filter", "attempt": "attempt", "bounce_class": "class", "zone": "zone",
}  # fmt: skip
CHECKS = {"spf_result": "SPF", "dkim_result": "DKIM", "dmarc_result": "DMARC"}
#: Types whose step names the peer that handed the message in.
BEGINNINGS = frozenset({"received", "sent", "rejected", "greylisted"})
#: Types of attempts to send, and those of refusals of clients.
ATTEMPTS = frozenset({"delivered", "deferred", "bounced"})


@dataclass(frozen=True)
class StepLine:
    """One step. `details`: label, value and address of its page; `checks`: Rspamd's and the others'
    results; `gap`: time to the next step."""

    event_id: Any
    at: datetime
    kind: EventType
    program: str
    node: str
    title: str
    details: tuple[tuple[str, str, str], ...]
    checks: tuple[str, ...]
    reply: str
    took: str
    gap: str
    is_inferred: bool
    source: str
    branches: tuple["MessageLine", ...]


@dataclass(frozen=True)
class RecipientLine:
    """One recipient of a message. `href`: the trace of it alone."""

    address: str
    account: str
    steps: tuple[StepLine, ...]
    ending: Ending
    href: str


@dataclass(frozen=True)
class MessageLine:
    """One message. `cause`: in words; empty: the story begins with it."""

    message: Message
    cause: str
    recipients: tuple[RecipientLine, ...]
    hidden_count: int
    counts: str
    branches: tuple["MessageLine", ...]
    href: str


def build_lines(trace: Trace, carried: Mapping[str, str]) -> tuple[MessageLine, ...]:
    return tuple(_build_message(each, carried) for each in trace.messages)


def build_facts(trace: Trace) -> list[tuple[str, str]]:
    """Return what the head of the page shows of the first message: label and text of others."""
    first = trace.messages[0]
    facts = [
        ("Message-ID", first.message_id),
        ("from", first.sender),
        ("account", first.account),
        ("lasted", duration((trace.last_at - trace.first_at).total_seconds())),
        ("nodes", ", ".join(trace.nodes)),
    ]
    return [(label, text) for label, text in facts if text]


def build_candidates(rows: Sequence[Event], carried: Mapping[str, str]) -> list[tuple[Any, str]]:
    """Return each event with the address of its message's trace."""
    return [(row, trace_href(identify(row), carried)) for row in rows]


def write_text(trace: Trace, address: str) -> str:
    """Return the story as plain text, times in UTC, for a ticket or a mail."""
    head = [trace.text, address, *trace.limits, ""]
    return "\n".join([*head, *_write_messages(trace.messages, "")])


def _write_messages(messages: Sequence[Message], indent: str) -> Iterator[str]:
    for message in messages:
        cause = ORIGINS.get(message.cause, message.cause)
        name = f"{message.program} {message.queue_id}".strip()
        yield f"{indent}{name}{f' ({cause})' if cause else ''}: from {message.sender or UNKNOWN}"
        for recipient in message.recipients:
            yield f"{indent}  to {recipient.address or UNKNOWN}: {recipient.ending.text}"
            for step in recipient.steps:
                yield f"{indent}    {_write_step(step)}"
                yield from _write_messages(step.branches, f"{indent}      ")
        if hidden := message.recipients_count - len(message.recipients):
            yield f"{indent}  and {hidden:,} more recipients"
        yield from _write_messages(message.branches, f"{indent}  ")


def _write_step(step: Step) -> str:
    event = step.event
    at = event["occurred_at"].astimezone(UTC)
    parts = [
        f"{at:%Y-%m-%d %H:%M:%S}Z {step.program} on {event['mta_node']}: {_title(event)}",
        *(f"{label} {value}" for label, value, _ in _details(event, {})),
        *_checks(event),
        find_reply(event) or "",
        "inferred" if event["certainty"] == "inferred" else "",
    ]
    return " ".join(isolate("; ".join(part for part in parts if part)).split())


def _build_message(message: Message, carried: Mapping[str, str]) -> MessageLine:
    hidden = message.recipients_count - len(message.recipients)
    counts = (f"{thousands(n)} {state.replace('_', ' ')}" for state, n in message.endings.items())
    return MessageLine(
        message=message,
        cause=ORIGINS.get(message.cause, message.cause),
        recipients=tuple(_build_recipient(message, each, carried) for each in message.recipients),
        hidden_count=hidden,
        counts=", ".join(counts) if hidden else "",
        branches=tuple(_build_message(each, carried) for each in message.branches),
        href=trace_href(message.queue_id, carried),
    )


def _build_recipient(
    message: Message, recipient: Recipient, carried: Mapping[str, str]
) -> RecipientLine:
    is_one = message.recipients_count == 1 or not (message.queue_id and recipient.address)
    own = {"to_address": recipient.address, **carried}
    return RecipientLine(
        address=recipient.address,
        account=recipient.account,
        steps=tuple(_build_step(each, carried) for each in recipient.steps),
        ending=recipient.ending,
        href="" if is_one else trace_href(message.queue_id, own),
    )


def _build_step(step: Step, carried: Mapping[str, str]) -> StepLine:
    event = step.event
    return StepLine(
        event_id=event["event_id"],
        at=event["occurred_at"],
        kind=EVENT_TYPES[event["event_type"]],
        program=step.program,
        node=event["mta_node"],
        title=_title(event),
        details=tuple(_details(event, carried)),
        checks=tuple(_checks(event)),
        reply=find_reply(event) or "",
        took=milliseconds(event["delivery_time_ms"]) if event["delivery_time_ms"] else "",
        gap="" if step.to_next_s is None else _write_gap(step.to_next_s),
        is_inferred=event["certainty"] == "inferred",
        source=event["source"],
        branches=tuple(_build_message(each, carried) for each in step.branches),
    )


def _title(event: Event) -> str:
    place = event["direction"], event["event_type"]
    title = TITLES.get(place, EVENT_TYPES[event["event_type"]].label)
    origin = ORIGINS.get(event["origin"] or "", "")
    return f"{title}, {origin}" if origin and event["event_type"] == "sent" else title


def _details(event: Event, carried: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    is_attempt = event["direction"] == "outbound" and event["event_type"] in ATTEMPTS
    for column, label in DETAILS.items():
        value = event[column]
        if value in (None, ""):
            if column == "tls" and event["event_type"] == "delivered" and is_attempt:
                yield label, "none", ""
            continue
        if column == "client_ip" and event["event_type"] not in BEGINNINGS:
            continue
        if column == "zone" and event["event_type"] != "sent":
            continue
        href = column_href(column, value, carried) if is_attempt else ""
        yield label, str(value), href


def _checks(event: Event) -> Iterator[str]:
    """Yield the results of content checks; of inbound mail they stand where it came in."""
    if event["direction"] != "inbound" or event["event_type"] == "received":
        return
    if event["spam_action"] or event["spam_score"] is not None:
        score = "" if event["spam_score"] is None else f", score {event['spam_score']:g}"
        yield f"Rspamd: {event['spam_action'] or 'no verdict'}{score}"
    for column, label in CHECKS.items():
        if event[column]:
            yield f"{label} {event[column]}"


def _write_gap(seconds: float) -> str:
    return milliseconds(1_000 * seconds) if seconds < 60 else duration(seconds)  # noqa: PLR2004
