"""E-mail through a relay of its own, never through the mail servers that are watched. Pure.

The Message-ID is made of the idempotency key, so that a mail sent twice is one to most readers, and
all mail of an alert is one thread.
"""

import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from server.alerts.notifications.channels.kind import (
    BadField,
    ChannelKind,
    Field,
    Values,
    check_token,
)
from server.alerts.notifications.messages import Message

SECURITIES = ("starttls", "tls", "none")
MAX_RECIPIENTS = 20
MAX_PORT = 65_535
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")


def check_addresses(text: str) -> str:
    """Return addresses with commas between them. Raises BadField."""
    addresses = [each.strip() for each in text.split(",") if each.strip()]
    if not addresses or len(addresses) > MAX_RECIPIENTS:
        raise BadField(f"give 1 to {MAX_RECIPIENTS} addresses with commas between them")
    for each in addresses:
        if not _ADDRESS.fullmatch(each):
            raise BadField(f"{each!r} is not an address such as ops@example.com")
    return ", ".join(addresses)


def check_address(text: str) -> str:
    """Return one address. Raises BadField."""
    if "," in text:
        raise BadField("give one address")
    return check_addresses(text)


def check_port(text: str) -> str:
    """Return the number of a port. Raises BadField."""
    if not text.strip().isascii() or not text.strip().isdigit() or not 0 < int(text) <= MAX_PORT:
        raise BadField(f"give a number from 1 to {MAX_PORT}")
    return str(int(text))


def check_security(text: str) -> str:
    """Return how the connection is protected. Raises BadField."""
    if text.strip() not in SECURITIES:
        raise BadField(f"use one of {', '.join(SECURITIES)}")
    return text.strip()


def build_mail(message: Message, values: Values) -> EmailMessage:
    """Return the mail of a message."""
    sender = values["sender"]
    domain = Address(addr_spec=sender).domain
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = values["recipients"]
    mail["Subject"] = f"[Mallard] {message.title}"
    mail["Date"] = format_datetime(message.at)
    mail["Message-ID"] = f"<{message.key}@{domain}>"
    mail["References"] = f"<alert-{_name(message.alert)}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Mallard-Severity"] = message.severity
    mail.set_content("\n".join([message.title, "", *message.lines, "", *message.link_lines, ""]))
    return mail


def _name(alert: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "-", alert)


KIND = ChannelKind(
    "mail",
    "E-mail",
    (
        Field("host", "Relay", "Not one of the watched servers.", check=check_token),
        Field("port", "Port", default="587", check=check_port),
        Field("security", "Security", "starttls, tls or none.", default="starttls",
              check=check_security),
        Field("user", "User name", required=False, check=check_token),
        Field("password", "Password", secret=True, required=False),
        Field("sender", "From", check=check_address),
        Field("recipients", "To", "Addresses with commas between them.", check=check_addresses),
    ),
    None,
)  # fmt: skip
