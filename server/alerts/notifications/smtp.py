"""Mail through the relay of a channel, and a warning where that relay is a watched server."""

import smtplib
import socket
import ssl
from collections.abc import Iterable

from server.alerts.notifications.channels.kind import Values
from server.alerts.notifications.channels.mail import build_mail
from server.alerts.notifications.http import SendError
from server.alerts.notifications.messages import Message
from server.nodes.models import Node

TIMEOUT_S = 10.0


def send(message: Message, values: Values) -> None:
    """Hand a mail to the relay. Raises SendError."""
    context = ssl.create_default_context()
    host, port = values["host"], int(values["port"])
    try:
        if values["security"] == "tls":
            relay: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
        else:
            relay = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
        with relay:
            if values["security"] == "starttls":
                relay.starttls(context=context)
            if values["user"]:
                relay.login(values["user"], values["password"])
            refused = relay.send_message(build_mail(message, values))
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise SendError(f"{host}: {error}") from None
    if refused:
        raise SendError(f"{host} refused {', '.join(sorted(refused))}")


def find_watched(host: str) -> list[str]:
    """Return the nodes that a relay is, by its name or its addresses: it would have to report
    its own failure. One query, and one of DNS."""
    nodes = list(Node.objects.filter(retired_at=None).values_list("name", "hostname", "addresses"))
    return find_same(host, resolve(host), nodes)


def find_same(
    host: str, addresses: Iterable[str], nodes: Iterable[tuple[str, str, list[str]]]
) -> list[str]:
    """Return the names of the nodes that have this name or one of these addresses. Pure."""
    plain, its = host.rstrip(".").lower(), set(addresses)
    return sorted(
        name
        for name, hostname, own in nodes
        if plain in {name.lower(), hostname.lower()} or not its.isdisjoint(own)
    )


def resolve(host: str) -> set[str]:
    """Return the addresses of a host; none where DNS has none."""
    try:
        results = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {str(each[4][0]).partition("%")[0] for each in results}
