"""Messages into a real Haraka: the names of recipients and the subject decide what becomes of them,
and what Haraka tells the client is what must be captured."""

import smtplib
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from build.stack import haraka
from build.stack.ports import LOOPBACK

SENDER = "bob@sender.example"
LISTED_IP = "203.0.113.66"  # refused on connecting, see build/stack/haraka/plugins/policy.js
MOST_LINES = 100
TIMEOUT_S = 60
RCPT_TAKEN = 250


@dataclass(frozen=True)
class Told:
    """What Haraka told a client of one recipient, and what that must be stored as."""

    event_type: str
    recipient: str | None
    sender: str | None
    client_ip: str
    size_bytes: int | None
    reply: str
    refused_by: str | None

    @property
    def received(self) -> "Told":
        """What comes before every outcome."""
        return Told(
            "received", self.recipient, self.sender, self.client_ip, self.size_bytes, "", None
        )


@dataclass(frozen=True)
class Mail:
    """One message; the recipients' names and the subject decide what becomes of it."""

    number: int
    recipients: tuple[str, ...]
    becomes: str
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
            *(
                f"Line {line} of message {self.number}"
                for line in range(self.number % MOST_LINES + 1)
            ),
            "",
        ]
        return "\r\n".join(lines).encode()


#: By kind of recipient: what Haraka makes of it at RCPT, and which plugin does.
AT_RCPT = {
    "unknown": ("rejected", "policy"),
    "temp": ("deferred", "policy"),
    "nobody": ("rejected", None),
}


def mails(count: int, *, with_rspamd: bool) -> Iterator[Mail]:
    """Yield the messages: half delivered, the others refused by everybody who can refuse."""
    for n in range(count):
        match n % 10:
            case 5:
                yield Mail(n, to(n, "ok", "unknown", "temp", "nobody", "ok"), "delivered")
            case 6:
                kind, becomes = (("bounce", "rejected"), ("defer", "deferred"))[n // 10 % 2]
                yield Mail(n, to(n, kind), becomes, "queue/smtp_forward")
            case 7:
                yield Mail(n, to(n, "ok"), "greylisted", "greylist", client_ip=grey_ip(n))
            case 8 if with_rspamd:
                yield Mail(n, to(n, "ok", "ok"), "greylisted", "rspamd", subject="SPAMMY5 offer")
            case 9 if with_rspamd:
                yield Mail(
                    n, to(n, "ok"), "rejected", "rspamd", "SPAMMY20 offer", "eve@forged.example"
                )
            case _:
                yield Mail(n, to(n, "ok"), "delivered", sender=SENDER if n % 4 else "")


def grey_ip(number: int) -> str:
    """Return an address that nobody was greylisted from before."""
    return f"198.18.{number // 250 % 250}.{number % 250 + 1}"


def to(number: int, *kinds: str) -> tuple[str, ...]:
    """Return a recipient of each kind."""
    return tuple(f"{kind}-{number}-{i}@Local.example" for i, kind in enumerate(kinds))


class Client(smtplib.SMTP):
    """An SMTP client that comes from an address of its choice."""

    def __init__(self, port: int, client_ip: str) -> None:
        self.client_ip = client_ip
        super().__init__(LOOPBACK, port, local_hostname="mail.sender.example", timeout=TIMEOUT_S)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        connection.sendall(haraka.proxy_line(self.client_ip))
        return connection


def deliver(port: int, mail: Mail) -> list[Told]:
    """Hand one message in; return what Haraka told of each recipient."""
    told: list[Told] = []
    taken = []
    with Client(port, mail.peer) as client:
        client.ehlo()
        client.mail(mail.sender)
        for recipient in mail.recipients:
            code, words = client.rcpt(recipient)
            if code == RCPT_TAKEN:
                taken.append(recipient)
                continue
            kind = recipient.partition("-")[0]
            becomes, by = AT_RCPT.get(kind, (mail.becomes, mail.refused_by))
            told.append(outcome(mail, recipient, becomes, by, size=None, reply=(code, words)))
        if taken:
            reply = client.data(mail.data)
            size = len(mail.data)
            told += [
                outcome(mail, recipient, mail.becomes, mail.refused_by, size=size, reply=reply)
                for recipient in taken
            ]
    return told


def outcome(
    mail: Mail, recipient: str, becomes: str, by: str | None, *, size: int | None,
    reply: tuple[int, bytes],
) -> Told:  # fmt: skip
    """Return what was told of one recipient."""
    code, words = reply
    text = f"{code} {words.decode()}".replace("\n", " ")
    return Told(becomes, recipient, mail.sender or "<>", mail.peer, size, text, by)


def refuse_without_recipient(port: int) -> list[Told]:
    """Be refused on connecting, and with MAIL; and give a message up, which is no outcome."""
    told = []
    try:
        Client(port, LISTED_IP).close()
    except smtplib.SMTPConnectError as refused:
        words = refused.smtp_error
        said = words.decode() if isinstance(words, bytes) else words
        text = f"{refused.smtp_code} {said}"
        told.append(Told("rejected", None, None, LISTED_IP, None, text, "policy"))
    with Client(port, "203.0.113.61") as client:
        client.ehlo()
        code, words = client.mail("spammer@x.example")
        text = f"{code} {words.decode()}"
        told.append(
            Told("rejected", None, "spammer@x.example", "203.0.113.61", None, text, "policy")
        )
        client.mail(SENDER)
        client.rcpt("ok-given-up@local.example")
        client.rset()
    return told
