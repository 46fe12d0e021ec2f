"""Pure: the messages ZoneMTA is given, and the events the sink's log says they must become."""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from build.stack.feeder import Message
from build.stack.zonemta import Zone
from build.stack_test.compare import Event, Key

#: Two waits between attempts; the third failure bounces, so that the queue is empty in the end.
DEFER_TIMES_MS = (1_500, 2_500)
BULK_DOMAIN = "news.example"
DEAD_DOMAIN = "dead.example"
SUPPRESSED_DOMAIN = "suppressed.example"
CLOSED_PORT = 1  # of the system's, where nothing listens
ZONES = (
    Zone(name="default", processes=2, connections=10, addresses=("127.0.0.1", "127.0.0.2")),
    Zone(
        name="bulk", sender_domains=(BULK_DOMAIN,), connections=10,
        addresses=("127.0.0.3", "127.0.0.4"),
    ),
    Zone(name="dead", recipient_domains=(DEAD_DOMAIN,), connections=2, port=CLOSED_PORT),
    Zone(name="bounces", connections=5),
)  # fmt: skip

SENDERS = {"alice@corp.example": 35, "shop@shop.example": 30, f"news@{BULK_DOMAIN}": 30, "": 5}
DESTINATIONS = {"good.example": 50, "big.example": 30, "Other.example": 20}
KINDS = {
    "ok": 600,
    "slow": 5,
    "once": 120,
    "defer": 60,
    "grey": 20,
    "rate": 20,
    "bounce": 80,
    "full": 25,
    "policy": 25,
    "datareject": 25,
    "dead": 10,
    "suppressed": 10,
}
RECIPIENTS = {1: 50, 2: 25, 3: 15, 5: 10}
#: What ZoneMTA tries again later; every other refusal of the sink it takes for final.
TEMPORARY = frozenset({"once", "defer", "grey", "rate", "drop"})
BODY_MAX_BYTES = 20_000
NULL = "<>"


@dataclass(frozen=True)
class Handed:
    """A message handed in. `queue_id` None: the connection broke before ZoneMTA said whether it
    took the message, so only the sink can tell."""

    message: Message
    queue_id: str | None


def messages(count: int, *, seed: int) -> Iterator[Message]:
    """Yield `count` messages, the same for the same seed. No two have a recipient in common."""
    chance = random.Random(seed)  # noqa: S311 (variety, not secrets)
    for number in range(count):
        yield Message(
            message_id=f"<{seed}.{number}@stack.example>",
            sender=_pick(chance, SENDERS),
            recipients=tuple(
                _recipient(_pick(chance, KINDS), f"{seed}-{number}-{index}", chance)
                for index in range(_pick(chance, RECIPIENTS))
            ),
            body_bytes=chance.randrange(200, BODY_MAX_BYTES),
        )


def again(message: Message, turn: int) -> Message:
    """Return the same message under other names, for one whose first handing in broke off."""
    return Message(
        message_id=message.message_id.replace("@", f".again{turn}@"),
        sender=message.sender,
        recipients=tuple(r.replace("@", f"-again{turn}@") for r in message.recipients),
        body_bytes=message.body_bytes,
    )


def _recipient(kind: str, name: str, chance: random.Random) -> str:
    domain = {"dead": DEAD_DOMAIN, "suppressed": SUPPRESSED_DOMAIN}.get(kind)
    return f"{kind}-{name}@{domain or _pick(chance, DESTINATIONS)}"


def _pick(chance: random.Random, shares: Mapping[Any, int]) -> Any:
    return chance.choices(list(shares), weights=list(shares.values()))[0]


def expected(handed: Iterable[Handed], log: Iterable[Mapping[str, Any]]) -> dict[Key, Event]:
    """Return every event there must be: of the recipients by the sink's `log`, of those it never
    saw by the rule, and of the notifications the sink took."""
    of_recipient = {
        as_queued(recipient): one for one in handed for recipient in one.message.recipients
    }
    lines: dict[str, list[Mapping[str, Any]]] = {}
    found: dict[Key, Event] = {}
    for line in log:
        if line["recipient"] in of_recipient:
            lines.setdefault(line["recipient"], []).append(line)
        else:
            found.update(_notification(line))
    for recipient, one in of_recipient.items():
        if one.queue_id is None and recipient not in lines:
            continue  # not taken, as far as anybody knows
        for event in _events(recipient, one, lines.get(recipient, [])):
            found[event.key] = event
    return found


def as_queued(recipient: str) -> str:
    """Return the address as ZoneMTA keeps it: the domain in lower case."""
    local, _, domain = recipient.rpartition("@")
    return f"{local}@{domain.lower()}"


def kind_of(recipient: str) -> str:
    """Return what the recipient's name asks of the sink."""
    return recipient.partition("-")[0]


def zone_of(sender: str, recipient: str) -> str:
    """Return the zone ZoneMTA puts a recipient into: by its sender first."""
    if sender.endswith(f"@{BULK_DOMAIN}"):
        return "bulk"
    return "dead" if recipient.endswith(f"@{DEAD_DOMAIN}") else "default"


def _events(recipient: str, one: Handed, lines: list[Mapping[str, Any]]) -> Iterator[Event]:
    sender = one.message.sender or NULL
    zone = zone_of(one.message.sender, recipient)

    def event(event_type: str, attempt: int | None, line: Mapping[str, Any] | None) -> Event:
        reply = line["reply"] if line else None
        return Event(
            message_id=one.message.message_id,
            recipient=recipient,
            event_type=event_type,
            n=(attempt or 0) if event_type == "deferred" else 0,
            queue_id=one.queue_id,
            sender=sender,
            attempt=attempt,
            reply=reply,
            sending_ip=line["client_ip"] if line else None,
            zone=None if event_type == "sent" else zone,
            size_bytes=line["size_bytes"] if line and event_type == "delivered" else None,
        )

    yield event("sent", 0, None)
    kind = kind_of(recipient)
    if kind == "suppressed":
        # ZoneMTA drops it by its queue's document alone, which does not say who sent it.
        dropped = event("dropped", None, None)
        yield replace(dropped, sender=None, zone=None)
        return
    if zone == "dead":
        for attempt in range(1, len(DEFER_TIMES_MS) + 1):
            yield event("deferred", attempt, None)
        yield event("bounced", len(DEFER_TIMES_MS) + 1, None)
        return
    deferrals = 0
    for line in lines:
        if line["reply"].startswith("2"):
            yield event("delivered", deferrals + 1, line)
        elif kind in TEMPORARY and deferrals < len(DEFER_TIMES_MS):
            deferrals += 1
            yield event("deferred", deferrals, line)
        else:
            yield event("bounced", deferrals + 1, line)


def _notification(line: Mapping[str, Any]) -> dict[Key, Event]:
    """Return what a delivery report that the sink took must be: `sent` and `delivered`."""
    made = [
        Event(
            message_id=line["message_id"] or "",
            recipient=line["recipient"],
            event_type=event_type,
            n=0,
            queue_id=None,
            sender=NULL,
            attempt=attempt,
            reply=line["reply"] if event_type == "delivered" else None,
            sending_ip=line["client_ip"] if event_type == "delivered" else None,
            zone="bounces" if event_type == "delivered" else None,
            size_bytes=line["size_bytes"] if event_type == "delivered" else None,
        )
        for event_type, attempt in (("sent", 0), ("delivered", 1))
    ]
    return {event.key: event for event in made}


def is_done(handed: Iterable[Handed], log: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether the sink has seen the last of every recipient that comes to it."""
    last: dict[str, list[str]] = {}
    for line in log:
        last.setdefault(line["recipient"], []).append(line["reply"])
    for one in handed:
        if one.queue_id is None:
            continue
        for recipient in map(as_queued, one.message.recipients):
            kind = kind_of(recipient)
            if kind in ("dead", "suppressed"):
                continue
            replies = last.get(recipient, [])
            attempts = len(DEFER_TIMES_MS) + 1
            if kind in TEMPORARY and kind != "once":
                done = len(replies) >= attempts
            elif kind == "once":
                done = any(reply.startswith("2") for reply in replies)
            else:
                done = bool(replies)
            if not done:
                return False
    return True
