"""A steady, varied stream of mail by SMTP: several senders, destinations, outcomes, sizes.

The local part of a recipient decides the outcome, see build/stack/sink.py. The same seed
gives the same messages in the same order.

    python -m build.stack.feeder --port 2525 --rate 2 --seed 1
"""

import argparse
import math
import random
import re
import signal
import smtplib
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import TypeVar

from build.stack.paths import ROOT
from build.stack.ports import LOOPBACK
from build.stack.supervisor import Program, Running, Supervisor, python

T = TypeVar("T")
MAX_RATE_PER_SECOND = 100.0
SMTP_TIMEOUT_SECONDS = 30
MESSAGES_PER_CONNECTION = 50
MAX_BACKOFF_SECONDS = 30.0
REPORT_EVERY_SECONDS = 60.0
# The rate swings around its mean like a day does, only faster, so that lines on a page move.
SWING = 0.5
SWING_PERIOD_SECONDS = 180.0
BODY_MEDIAN_BYTES = 3_000
MAX_BODY_BYTES = 300_000

SENDERS = {  # domain: share
    "corp.example": 35,
    "shop.example": 30,
    "news.example": 25,
    "school.example": 10,
}
DESTINATIONS = {
    "bigmail.example": 40,
    "fastpost.example": 25,
    "isp.example": 15,
    "university.example": 10,
    "firma.example": 6,
    "tiny.example": 4,
}
OUTCOMES = {  # the sink's answers
    "ok": 800,
    "slow": 30,
    "once": 70,
    "bounce": 45,
    "full": 20,
    "policy": 10,
    "datareject": 8,
    "grey": 7,
    "defer": 6,
    "rate": 4,
}
RECIPIENTS = {1: 90, 2: 6, 3: 3, 5: 1}  # how many a message has: share
LOCAL_PARTS = ("alice", "bob", "carol", "billing", "info", "newsletter", "support")


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message to submit."""

    message_id: str
    sender: str
    recipients: tuple[str, ...]
    body_bytes: int


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The mail server's answer to a message: `reply` starts with its code."""

    message: Message
    at: datetime
    reply: str

    @property
    def queue_id(self) -> str | None:
        """ZoneMTA's id of the message, from "250 Message queued as 1a2b…"; None if refused."""
        match = re.match(r"250.*queued as (\S+)", self.reply)
        return match[1] if match else None


def messages(*, seed: int) -> Iterator[Message]:
    """Yield messages without end, the same for the same seed."""
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


def submit(connection: smtplib.SMTP, message: Message) -> Receipt:
    """Send one message over an open connection; return the server's answer.

    Raise smtplib.SMTPException or OSError when the connection is gone or all recipients are
    refused.
    """
    connection.ehlo_or_helo_if_needed()
    connection.mail(message.sender)
    for recipient in message.recipients:
        connection.rcpt(recipient)
    code, words = connection.data(compose(message))
    reply = f"{code} {words.decode(errors='replace')}"
    return Receipt(message=message, at=datetime.now(UTC), reply=reply)


def feed(stop: threading.Event, *, port: int, rate_per_s: float, seed: int) -> None:
    """Send messages to `port` at a rate until `stop` is set; while the server is down, wait."""
    rate_per_s = min(rate_per_s, MAX_RATE_PER_SECOND)
    stream = messages(seed=seed)
    chance = random.Random(seed)  # noqa: S311
    connection: smtplib.SMTP | None = None
    sent_count = failed_count = failures_in_row = 0
    reported_at = started_at = time.monotonic()
    while not stop.is_set():
        try:
            if connection is None:
                connection = smtplib.SMTP(LOOPBACK, port, timeout=SMTP_TIMEOUT_SECONDS)
            submit(connection, next(stream))
            sent_count += 1
            failures_in_row = 0
            elapsed_s = time.monotonic() - started_at
            swing = 1 + SWING * math.sin(2 * math.pi * elapsed_s / SWING_PERIOD_SECONDS)
            wait_s = chance.expovariate(rate_per_s * swing)
        except (smtplib.SMTPException, OSError) as error:
            failed_count += 1
            failures_in_row += 1
            wait_s = min(MAX_BACKOFF_SECONDS, 0.5 * 2 ** min(failures_in_row, 10))
            print(f"not sent, again in {wait_s:.0f} s: {error}", flush=True)
        if connection and (failures_in_row or sent_count % MESSAGES_PER_CONNECTION == 0):
            connection.close()
            connection = None
        if time.monotonic() - reported_at >= REPORT_EVERY_SECONDS:
            reported_at = time.monotonic()
            print(f"sent {sent_count}, failed {failed_count}", flush=True)
        stop.wait(wait_s)
    print(f"ended: sent {sent_count}, failed {failed_count}", flush=True)


def start(supervisor: Supervisor, *, smtp_port: int, rate_per_s: float, seed: int) -> Running:
    """Start one that sends without end to the mail server at `smtp_port`."""
    options = [f"--port={smtp_port}", f"--rate={rate_per_s}", f"--seed={seed}"]
    argv = [*python("build.stack.feeder"), *options]
    return supervisor.start(Program(name="feeder", argv=argv, cwd=ROOT, restarts=5))


def _pick(chance: random.Random, shares: Mapping[T, int]) -> T:
    return chance.choices(list(shares), weights=list(shares.values()))[0]


def main() -> int:
    """Send mail until a signal; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m build.stack.feeder", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, default=2.0, help="messages a second, on average")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    feed(stop, port=options.port, rate_per_s=options.rate, seed=options.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
