"""Messages into Haraka: recipients' names and subjects decide the outcomes, and its replies to the
client are what must be captured."""

import smtplib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from build.stack.haraka import ProxiedSmtp
from tests.system.e2e.comparison import Event

SENDER = "bob@sender.example"
LISTED_IP = "203.0.113.66"  # refused on connecting, see build/stack/haraka/plugins/policy.js
MAX_LINES = 100
ACCEPTED = 250
#: More than `max.bytes` of build/stack/haraka/config/connection.ini.
TOO_LARGE_BYTES = 2_000_001
LINE = b"x" * 78 + b"\r\n"
TOO_MANY_LINES = TOO_LARGE_BYTES // len(LINE) + 1


class Outcome(NamedTuple):
    """Haraka's reply to the client about one recipient, as it must be stored."""

    event_type: str
    recipient: str | None
    sender: str | None
    client_ip: str
    size_bytes: int | None
    reply: str
    refused_by: str | None

    @property
    def received(self) -> "Outcome":
        """The event that comes before every outcome."""
        return self._replace(event_type="received", reply="", refused_by=None)

    def to_event(self) -> Event:
        """Return it for the comparison. All recipients differ, or else the addresses do."""
        name = self.client_ip if self.recipient is None else ""
        return Event(name, self.recipient or "", self.event_type, fields=self._asdict())


@dataclass(frozen=True)
class Mail:
    """One message and its outcome, unless a recipient is refused before it."""

    number: int
    recipients: tuple[str, ...]
    event_type: str
    refused_by: str | None = None
    subject: str = "Hello"
    sender: str = SENDER
    client_ip: str = ""

    @property
    def peer(self) -> str:
        """The address it comes from."""
        return self.client_ip or f"203.0.113.{self.number % 60 + 1}"

    @property
    def data(self) -> bytes:
        """The message as DATA."""
        lines = [
            f"From: Bob <{self.sender}>",
            f"To: {self.recipients[0]}",
            f"Subject: {self.subject}",
            f"Message-ID: <inbound-{self.number}@sender.example>",
            "Date: Sat, 21 Nov 2026 10:00:00 +0000",
            "MIME-Version: 1.0",
            "Content-Type: text/plain",
            "",
            # Unlike all others: Rspamd remembers bodies that it greylisted.
            *(f"Line {n} of message {self.number}" for n in range(self.number % MAX_LINES + 1)),
            "",
        ]
        return "\r\n".join(lines).encode()


#: By kind of recipient: the outcome at RCPT, and the plugin that decides it.
AT_RCPT = {
    "unknown": ("rejected", "policy"),
    "temp": ("deferred", "policy"),
    "nobody": ("rejected", None),
}


def generate_mails(count: int, *, with_rspamd: bool) -> Iterator[Mail]:
    """Yield the messages: half delivered, the others refused by every plugin that can refuse."""
    for n in range(count):
        one = build_recipients(n, "ok")
        match n % 10:
            case 5:
                kinds = ("ok", "unknown", "temp", "nobody", "ok")
                yield Mail(n, build_recipients(n, *kinds), "delivered")
            case 6:
                kind, event_type = (("bounce", "rejected"), ("defer", "deferred"))[n // 10 % 2]
                yield Mail(n, build_recipients(n, kind), event_type, "queue/smtp_forward")
            case 7:
                address = f"198.18.{n // 250 % 250}.{n % 250 + 1}"  # not greylisted before
                yield Mail(n, one, "greylisted", "greylist", client_ip=address)
            case 8 if with_rspamd:
                two = build_recipients(n, "ok", "ok")
                yield Mail(n, two, "greylisted", "rspamd", "SPAMMY5 offer")
            case 9 if with_rspamd:
                sender = "eve@forged.example"
                yield Mail(n, one, "rejected", "rspamd", "SPAMMY20 offer", sender)
            case _:
                yield Mail(n, one, "delivered", sender=SENDER if n % 4 else "")


def build_recipients(number: int, *kinds: str) -> tuple[str, ...]:
    """Return a recipient of each kind."""
    return tuple(f"{kind}-{number}-{i}@Local.example" for i, kind in enumerate(kinds))


def deliver(port: int, mail: Mail) -> list[Outcome]:
    """Hand one message in; return the outcome of each recipient."""
    outcomes: list[Outcome] = []

    def add(recipient: str, event_type: str, by: str | None, size: int | None) -> None:
        text = format_reply(code, words)
        sender = mail.sender or "<>"
        outcomes.append(Outcome(event_type, recipient, sender, mail.peer, size, text, by))

    with ProxiedSmtp(port, mail.peer) as client:
        client.ehlo()
        client.mail(mail.sender)
        accepted = []
        for recipient in mail.recipients:
            code, words = client.rcpt(recipient)
            if code == ACCEPTED:
                accepted.append(recipient)
                continue
            kind = recipient.partition("-")[0]
            add(recipient, *AT_RCPT.get(kind, (mail.event_type, mail.refused_by)), None)
        if accepted:
            code, words = client.data(mail.data)
            for recipient in accepted:
                add(recipient, mail.event_type, mail.refused_by, len(mail.data))
    return outcomes


def refuse_for_size(port: int) -> list[Outcome]:
    """Be refused with MAIL for the declared size, and after DATA for the real one."""
    sender, recipient, address = "large@sender.example", "ok-large@Local.example", "203.0.113.62"
    with ProxiedSmtp(port, address) as client:
        client.ehlo()
        at_mail = format_reply(*client.mail(sender, [f"SIZE={TOO_LARGE_BYTES}"]))
        client.mail(sender)
        client.rcpt(recipient)
        after_data = format_reply(*client.data(b"Subject: Hello\r\n\r\n" + LINE * TOO_MANY_LINES))
    return [
        Outcome("rejected", None, sender, address, None, at_mail, None),
        Outcome("rejected", recipient, sender, address, None, after_data, None),
    ]


def refuse_without_recipient(port: int) -> list[Outcome]:
    """Be refused on connecting, and with MAIL; and give a message up, which is no outcome."""
    outcomes = []
    try:
        ProxiedSmtp(port, LISTED_IP).close()
    except smtplib.SMTPConnectError as refused:
        text = format_reply(refused.smtp_code, refused.smtp_error)
        outcomes.append(Outcome("rejected", None, None, LISTED_IP, None, text, "policy"))
    sender, address = "spammer@x.example", "203.0.113.61"
    with ProxiedSmtp(port, address) as client:
        client.ehlo()
        text = format_reply(*client.mail(sender))
        outcomes.append(Outcome("rejected", None, sender, address, None, text, "policy"))
        client.mail(SENDER)
        client.rcpt("ok-given-up@local.example")
        client.rset()
    return outcomes


def format_reply(code: int, words: bytes | str) -> str:
    """Return a reply on one line."""
    text = words.decode() if isinstance(words, bytes) else words
    return f"{code} {text}".replace("\n", " ")
