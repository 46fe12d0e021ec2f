"""Messages for ZoneMTA, and the events that the sink's log says they must become."""

import http.client
import random
import smtplib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pymongo.errors import PyMongoError

from build.stack import feeder
from build.stack.feeder import Message
from build.stack.ports import LOOPBACK
from build.stack.zonemta import Zones
from tests.programs import parse_queue_id
from tests.system.e2e import queueing
from tests.system.e2e.comparison import FINAL, Event, Key

#: Two waits between attempts; the third failure bounces, so that the queue is empty in the end.
DEFER_TIMES_MS = (1_500, 2_500)
MAX_ATTEMPTS = len(DEFER_TIMES_MS) + 1
BULK_DOMAIN = "news.example"
DEAD_DOMAIN = "dead.example"
SUPPRESSED_DOMAIN = "suppressed.example"
CLOSED_PORT = 1  # of the system's, where nothing listens
ZONES: Zones = {
    "default": {"processes": 2, "connections": 10, "addresses": ["127.0.0.1", "127.0.0.2"]},
    "bulk": {
        "senderDomains": [BULK_DOMAIN],
        "connections": 10,
        "addresses": ["127.0.0.3", "127.0.0.4"],
    },
    "dead": {"recipientDomains": [DEAD_DOMAIN], "connections": 2, "port": CLOSED_PORT},
    "bounces": {"connections": 5},
}

SENDERS = {"alice@corp.example": 35, "shop@shop.example": 30, f"news@{BULK_DOMAIN}": 30, "": 5}
DESTINATIONS = {"good.example": 50, "big.example": 30, "Other.example": 20}
#: The sink's answers, and two kinds that never reach it.
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
DOMAIN_OF_KIND = {"dead": DEAD_DOMAIN, "suppressed": SUPPRESSED_DOMAIN}
RECIPIENTS = {1: 50, 2: 25, 3: 15, 5: 10}
#: The ways in: SMTP, where ZoneMTA drops a recipient that it has already, ZoneMTA's API with two
#: addresses that differ in case, and its database as WildDuck uses it, with two relays of one
#: address. The last only with answers that end a delivery: the sink cannot tell the two apart.
WAYS = {"smtp": 90, "api": 6, "wildduck": 4}
KINDS_OF_RELAYS = {"ok": 3, "bounce": 1}
#: ZoneMTA tries these again later; every other refusal of the sink is final for it.
TEMPORARY = frozenset({"once", "defer", "grey", "rate"})
MAX_BODY_BYTES = 20_000
NULL = "<>"
TIMEOUT_S = 60
MAX_TRIES = 60
RETRY_S = 1.0


class ApiMessage(Message):
    """A message for ZoneMTA's API. Only their sequence tells its recipients apart for sure."""


class RelayedMessage(Message):
    """A message that WildDuck queues for two relays of one address."""


@dataclass(frozen=True)
class Submitted:
    """A message handed in. `queue_id` None: the connection broke before ZoneMTA answered, so only
    the sink knows whether it was accepted."""

    message: Message
    queue_id: str | None

    def list_recipients(self) -> Iterator[tuple[str, str, str]]:
        """Yield the address as ZoneMTA queues it, its name in the comparison, and its sequence."""
        for number, recipient in enumerate(self.message.recipients, start=1):
            address, seq = lower_domain(recipient), f"{number:03x}"
            yield address, name_recipient(self.message, address, seq), seq


@dataclass
class WayIn:
    """One connection to ZoneMTA, opened when it is needed, and the ways in beside it."""

    port: int
    api_port: int
    mongo_uri: str
    _connection: smtplib.SMTP | None = None

    def submit(self, message: Message) -> str | None:
        """Return the queue id, None when the message was refused.

        Raise smtplib.SMTPException, http.client.HTTPException or OSError when it broke off, which
        `may_have_arrived` tells from a connection that never was.
        """
        if isinstance(message, RelayedMessage):
            return self._queue(message)
        if isinstance(message, ApiMessage):
            return queueing.send_by_api(
                self.api_port, message.sender, message.recipients, message.message_id
            )
        if self._connection is None:
            self._connection = smtplib.SMTP(LOOPBACK, self.port, timeout=TIMEOUT_S)
        return parse_queue_id(feeder.submit(self._connection, message))

    def may_have_arrived(self, message: Message) -> bool:
        """Whether a message whose submission broke off may be in the queue."""
        return isinstance(message, ApiMessage) or self._connection is not None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _queue(self, message: Message) -> str:
        """Queue it until all of it is there: MongoDB may go away in the middle."""
        queue_id, deadline_s = queueing.make_queue_id(), time.monotonic() + TIMEOUT_S
        recipients = [lower_domain(recipient) for recipient in message.recipients]
        names = (queue_id, message.sender, recipients, message.message_id)
        while True:
            try:
                queueing.queue_as_wildduck(self.mongo_uri, *names)
            except PyMongoError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(RETRY_S)
            else:
                return queue_id


@dataclass
class Submission:
    """The fates of all messages, once they are handed in."""

    open_way: Callable[[], WayIn]
    submitted: list[Submitted] = field(default_factory=list)
    refused: list[Submitted] = field(default_factory=list)  # handed in again under other names
    failed: list[Message] = field(default_factory=list)  # given up

    def submit_all(self, messages: Iterator[Message]) -> None:
        """Hand messages in over one connection; repeat those that broke off or were refused."""
        way = self.open_way()
        for original in messages:
            message = original
            for turn in range(MAX_TRIES):
                try:
                    queue_id = way.submit(message)
                except (smtplib.SMTPException, http.client.HTTPException, OSError):
                    if way.may_have_arrived(message):
                        self.submitted.append(Submitted(message, None))
                        message = rename(message, turn)
                    way.close()
                else:
                    if queue_id:
                        self.submitted.append(Submitted(message, queue_id))
                        break
                    self.refused.append(Submitted(message, None))
                    message = rename(message, turn)
                time.sleep(RETRY_S)
            else:
                self.failed.append(message)
        way.close()


def generate_messages(count: int, *, seed: int) -> Iterator[Message]:
    """Yield messages, the same for the same seed. No two have a recipient in common.

    Recipients of one message are alike for the ways in that take such.
    """
    chance = random.Random(seed)

    def pick(shares: Mapping[Any, int]) -> Any:
        return chance.choices(list(shares), weights=list(shares.values()))[0]

    def name(number: int, index: int, kinds: Mapping[str, int]) -> str:
        kind = pick(kinds)
        domain = DOMAIN_OF_KIND.get(kind) or pick(DESTINATIONS)
        return f"{kind}-{seed}-{number}-{index}@{domain}"

    for number in range(count):
        sender, way = pick(SENDERS), pick(WAYS)
        message = Message
        if way == "smtp":
            recipients = [name(number, index, KINDS) for index in range(pick(RECIPIENTS))]
        elif way == "api":
            message, recipient = ApiMessage, name(number, 0, KINDS)
            recipients = [recipient.replace("@", "-Case@"), recipient.replace("@", "-case@")]
        else:
            message, recipients = RelayedMessage, 2 * [name(number, 0, KINDS_OF_RELAYS)]
        yield message(
            message_id=f"<{seed}.{number}@stack.example>",
            sender=sender,
            recipients=tuple(recipients),
            body_bytes=chance.randrange(200, MAX_BODY_BYTES),
        )


def rename(message: Message, turn: int) -> Message:
    """Return the same message under other names, for one whose first submission broke off."""
    return replace(
        message,
        message_id=message.message_id.replace("@", f".again{turn}@"),
        recipients=tuple(r.replace("@", f"-again{turn}@") for r in message.recipients),
    )


def lower_domain(recipient: str) -> str:
    """Return the address as ZoneMTA queues it."""
    local, _, domain = recipient.rpartition("@")
    return f"{local}@{domain.lower()}"


def name_recipient(message: Message, address: str, seq: str) -> str:
    """Return a recipient's name in the comparison, with its sequence where others are alike."""
    return f"{address} {seq}" if isinstance(message, ApiMessage | RelayedMessage) else address


def parse_kind(recipient: str) -> str:
    """Return the sink's answer that the recipient's name selects."""
    return recipient.partition("-")[0]


def build_expected(
    submitted: Sequence[Submitted], log: Iterable[Mapping[str, Any]]
) -> dict[Key, Event]:
    """Return every event there must be: of recipients by the sink's `log`, of those it never saw
    by ZoneMTA's rules, and of the notifications that the sink received."""
    addresses = {address for one in submitted for address, *_ in one.list_recipients()}
    lines: dict[str, list[Mapping[str, Any]]] = {}
    events: list[Event] = []
    for line in log:
        if line["recipient"] in addresses:
            lines.setdefault(line["recipient"], []).append(line)
        else:
            events += _build_notification(line)
    for one in submitted:
        for address, name, seq in one.list_recipients():
            its = lines.get(address, [])
            if isinstance(one.message, RelayedMessage):
                its = its[int(seq, 16) - 1 :][:1]  # one each, whichever it was
            if one.queue_id is not None or its:  # else not accepted, for all we know
                events += _build_events(name, one, its)
    return {event.key: event for event in events}


def find_unfinished(
    submitted: Iterable[Submitted], log: Iterable[Mapping[str, Any]]
) -> set[tuple[str, str]]:
    """Return the recipients of accepted messages that have no final outcome yet."""
    accepted = [one for one in submitted if one.queue_id is not None]
    events = build_expected(accepted, log).values()
    done = {event.target for event in events if event.event_type in FINAL}
    return {
        (one.message.message_id, name.lower())
        for one in accepted
        for _, name, _ in one.list_recipients()
    } - done


def _build_events(
    recipient: str, one: Submitted, lines: list[Mapping[str, Any]]
) -> Iterator[Event]:
    message_id, kind = one.message.message_id, parse_kind(recipient)
    is_relayed = isinstance(one.message, RelayedMessage)  # in the zone that WildDuck chose
    is_bulk = not is_relayed and one.message.sender.endswith(
        f"@{BULK_DOMAIN}"
    )  # the sender's zone goes first
    is_dead = kind == "dead" and not is_bulk
    zone = "bulk" if is_bulk else "dead" if is_dead else "default"
    queued = {"queue_id": one.queue_id} if one.queue_id else {}
    sender = {"sender": one.message.sender or NULL}

    def build(event_type: str, attempt: int, line: Mapping[str, Any] | None = None) -> Event:
        fields = {**queued, **sender, "zone": zone, "attempt": attempt}
        n = attempt if event_type == "deferred" else 0
        fields |= _read_line(event_type, line) if line else {}
        if is_relayed:
            fields.pop("sending_ip", None)  # either's
        return Event(message_id, recipient, event_type, n, fields)

    yield Event(message_id, recipient, "sent", fields={**queued, **sender, "attempt": 0})
    if kind == "suppressed":
        # ZoneMTA drops it by its queue's document alone, which has no sender.
        yield Event(message_id, recipient, "dropped", fields=queued)
    elif is_dead:
        for attempt in range(1, MAX_ATTEMPTS):
            yield build("deferred", attempt)
        yield build("bounced", MAX_ATTEMPTS)
    else:
        attempt = 1
        for line in lines:
            if line["reply"].startswith("2"):
                yield build("delivered", attempt, line)
            elif kind in TEMPORARY and attempt < MAX_ATTEMPTS:
                yield build("deferred", attempt, line)
                attempt += 1
            else:
                yield build("bounced", attempt, line)


def _build_notification(line: Mapping[str, Any]) -> Iterator[Event]:
    """Yield the events of a delivery report that the sink received."""
    message_id, recipient = line["message_id"] or "", line["recipient"]
    yield Event(message_id, recipient, "sent", fields={"sender": NULL, "attempt": 0})
    fields = {"sender": NULL, "attempt": 1, "zone": "bounces", **_read_line("delivered", line)}
    yield Event(message_id, recipient, "delivered", fields=fields)


def _read_line(event_type: str, line: Mapping[str, Any]) -> dict[str, Any]:
    fields = {"reply": line["reply"], "sending_ip": line["client_ip"]}
    return fields | ({"size_bytes": line["size_bytes"]} if event_type == "delivered" else {})
