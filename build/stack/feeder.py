"""A steady, varied stream of mail by SMTP: several senders, destinations, outcomes, sizes.

The local part of a recipient decides the outcome, see build/stack/sink.py. The same seed
gives the same messages in the same order.
"""

import math
import random
import smtplib
import threading
import time
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from itertools import islice
from pathlib import Path
from typing import TypeVar

from build.stack.ports import LOOPBACK

T = TypeVar("T")
MAX_RATE_PER_SECOND = 100.0
SMTP_TIMEOUT_SECONDS = 30
MESSAGES_PER_CONNECTION = 50
MIN_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 1.0, 30.0
# The rate swings around its mean like a day does, only faster, so that lines on a page move.
SWING = 0.5
SWING_PERIOD_SECONDS = 180.0
BODY_MEDIAN_BYTES = 3_000
MAX_BODY_BYTES = 300_000

# Name → share. OUTCOMES are the sink's answers, RECIPIENTS how many a message has.
MIX = tomllib.loads(Path(__file__).with_name("mail.toml").read_text())
SENDERS, DESTINATIONS, OUTCOMES = MIX["senders"], MIX["destinations"], MIX["outcomes"]
RECIPIENTS = {int(count): share for count, share in MIX["recipients"].items()}
LOCAL_PARTS = ("alice", "bob", "carol", "billing", "info", "newsletter", "support")


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message to submit."""

    message_id: str
    sender: str
    recipients: tuple[str, ...]
    body_bytes: int


def messages(*, seed: int) -> Iterator[Message]:
    chance = random.Random(seed)  # noqa: S311  (variety, not secrets)
    number = 0
    while True:
        number += 1
        sender_domain = _pick(chance, SENDERS)
        recipients = tuple(
            f"{_pick(chance, OUTCOMES)}-{seed}-{number}-{index}@{_pick(chance, DESTINATIONS)}"
            for index in range(_pick(chance, RECIPIENTS))
        )
        size = BODY_MEDIAN_BYTES * math.exp(chance.gauss(0, 1.2))
        yield Message(
            message_id=f"<{seed}.{number}.{chance.getrandbits(48):012x}@{sender_domain}>",
            sender=f"{chance.choice(LOCAL_PARTS)}@{sender_domain}",
            recipients=recipients,
            body_bytes=int(min(size, MAX_BODY_BYTES)),
        )


def compose(message: Message) -> bytes:
    """Return the message as it goes over the wire: plain text of about `body_bytes` bytes."""
    mail = EmailMessage()
    mail["From"] = message.sender or "postmaster@null.example"
    mail["To"] = ", ".join(message.recipients)
    mail["Subject"] = "A message of the demo"
    mail["Message-ID"] = message.message_id
    mail["Date"] = datetime.now(UTC)
    line = "All work and no play makes a dull queue.\n"
    # On the wire a line is one byte longer: it ends with CR and LF.
    mail.set_content(line * max(1, message.body_bytes // (len(line) + 1)))
    return mail.as_bytes(policy=mail.policy.clone(linesep="\r\n"))


def submit(connection: smtplib.SMTP, message: Message) -> str:
    """Send one message over an open connection; return the reply to it with its code.

    Raise smtplib.SMTPException or OSError when the connection is gone or all recipients are
    refused.
    """
    connection.ehlo_or_helo_if_needed()
    connection.mail(message.sender)
    for recipient in message.recipients:
        connection.rcpt(recipient)
    code, words = connection.data(compose(message))
    return f"{code} {words.decode(errors='replace')}"


def feed(stop: threading.Event, *, port: int, rate_per_s: float, seed: int) -> None:
    """Send messages until `stop` is set; while the server is down, wait."""
    rate_per_s = min(rate_per_s, MAX_RATE_PER_SECOND)
    stream, chance = messages(seed=seed), random.Random(seed)  # noqa: S311
    started_at, backoff_s = time.monotonic(), MIN_BACKOFF_SECONDS
    while not stop.is_set():
        try:
            with smtplib.SMTP(LOOPBACK, port, timeout=SMTP_TIMEOUT_SECONDS) as connection:
                for message in islice(stream, MESSAGES_PER_CONNECTION):
                    submit(connection, message)
                    backoff_s = MIN_BACKOFF_SECONDS
                    phase = (time.monotonic() - started_at) / SWING_PERIOD_SECONDS
                    swing = 1 + SWING * math.sin(2 * math.pi * phase)
                    if stop.wait(chance.expovariate(rate_per_s * swing)):
                        break
        except (smtplib.SMTPException, OSError):
            stop.wait(backoff_s)
            backoff_s = min(MAX_BACKOFF_SECONDS, 2 * backoff_s)


def _pick(chance: random.Random, shares: Mapping[T, int]) -> T:
    return chance.choices(list(shares), weights=list(shares.values()))[0]
