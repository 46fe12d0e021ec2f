"""Messages with known outcomes, and what Mallard must say of each of them."""

import smtplib
from collections.abc import Iterator
from dataclasses import dataclass

from build.stack import feeder, sink
from build.stack.feeder import Message
from build.stack.ports import LOOPBACK
from tests.programs import parse_queue_id
from tests.system.e2e.outbound_mail import lower_domain

#: By the number of the message: six of ten delivered, one each deferred once, deferred, bounced,
#: and one to three recipients with an outcome each.
PATTERN = [("ok",)] * 6 + [("once",), ("defer",), ("bounce",), ("ok", "bounce", "once")]
SENDERS = ("alice@corp.example", "shop@shop.example", "news@news.example")
DESTINATIONS = ("good.example", "big.example", "Other.example")


@dataclass(frozen=True)
class Receipt:
    """A message and ZoneMTA's id of it."""

    message: Message
    queue_id: str | None


@dataclass(frozen=True)
class Outcome:
    """One event that must be there, once. `reply` None: not checked."""

    queue_id: str
    recipient: str
    sender: str
    event_type: str
    attempt: int
    reply: str | None


def messages(count: int) -> Iterator[Message]:
    """Yield `count` messages, always the same."""
    for number in range(count):
        kinds = PATTERN[number % len(PATTERN)]
        sender = SENDERS[number % len(SENDERS)]
        yield Message(
            message_id=f"<e2e-{number}@{sender.partition('@')[2]}>",
            sender=sender,
            recipients=tuple(
                f"{kind}-{number}-{index}@{DESTINATIONS[(number + index) % len(DESTINATIONS)]}"
                for index, kind in enumerate(kinds)
            ),
            body_bytes=500 + number * 10,
        )


def one_more() -> Message:
    """Return a message that is delivered, unlike any of `messages`."""
    return Message(
        message_id="<e2e-one-more@corp.example>",
        sender="alice@corp.example",
        recipients=("ok-one-more@good.example",),
        body_bytes=500,
    )


def submit(port: int, batch: list[Message]) -> list[Receipt]:
    """Send messages over one connection; each must be taken."""
    with smtplib.SMTP(LOOPBACK, port, timeout=30) as connection:
        replies = [feeder.submit(connection, message) for message in batch]
    queue_ids = [parse_queue_id(reply) for reply in replies]
    assert all(queue_ids)
    return [Receipt(*each) for each in zip(batch, queue_ids, strict=True)]


def expected_outcomes(receipts: list[Receipt]) -> set[Outcome]:
    """Return every event these messages must give while the second retry has not come."""
    return {
        Outcome(receipt.queue_id or "", lower_domain(recipient), receipt.message.sender, *event)
        for receipt in receipts
        for recipient in receipt.message.recipients
        for event in events_of(recipient)
    }


def events_of(recipient: str) -> list[tuple[str, int, str | None]]:
    """Return (event type, attempt, the sink's reply) of each event of one recipient."""
    kind = recipient.partition("-")[0]
    reply = sink.answer_to(recipient).at_rcpt
    taken = "250 2.0.0 OK taken"
    return [
        ("sent", 0, None),
        *{
            "ok": [("delivered", 1, taken)],
            "once": [("deferred", 1, reply), ("delivered", 2, taken)],
            "defer": [("deferred", 1, reply), ("deferred", 2, reply)],
            "bounce": [("bounced", 1, reply)],
        }[kind],
    ]
