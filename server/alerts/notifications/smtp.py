"""Mail through the relay of a channel, and a warning where that relay is a watched server."""

import smtplib
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping

from server.alerts.notifications.addresses import RefusedAddress, connect, end_after, read_networks
from server.alerts.notifications.channels.kind import Values
from server.alerts.notifications.channels.mail import build_mail
from server.alerts.notifications.http import MAX_ERROR_CHARS, SendError
from server.alerts.notifications.messages import Message, clean
from server.alerts.notifications.models import Channel
from server.nodes.models import Node

TIMEOUT_S = 10.0
#: Of a whole mail, less than a channel's claim: a relay that trickles is left after it.
MAX_TOTAL_S = 40.0


class _Relay(smtplib.SMTP):
    """A relay at a checked address, for MAX_TOTAL_S."""

    _take_back: Callable[[], None] | None = None

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connected = connect(host, port, read_networks(), timeout_s=timeout)
        self._take_back = end_after(connected, MAX_TOTAL_S)
        return connected

    def close(self) -> None:
        if self._take_back is not None:
            self._take_back()
        super().close()


class _TlsRelay(smtplib.SMTP_SSL, _Relay):
    """The same with TLS from the first byte."""


def send(message: Message, values: Values) -> str:
    """Hand a mail to the relay; return which recipients it refused, where it took others.

    Raises SendError where it took none. Those it took would get the mail again at each attempt.
    """
    context = ssl.create_default_context()
    host, port = values["host"], int(values["port"])
    try:
        if values["security"] == "tls":
            relay: smtplib.SMTP = _TlsRelay(host, port, timeout=TIMEOUT_S, context=context)
        else:
            relay = _Relay(host, port, timeout=TIMEOUT_S)
        with relay:
            if values["security"] == "starttls":
                relay.starttls(context=context)
            if values["user"]:
                relay.login(values["user"], values["password"])
            refused = relay.send_message(build_mail(message, values))
    except RefusedAddress as error:
        raise SendError(str(error)) from None
    except smtplib.SMTPRecipientsRefused as error:
        raise SendError(f"{host}: {_describe_refused(error.recipients)}") from None
    except smtplib.SMTPResponseException as error:
        raise SendError(f"{host}: {_describe_reply(error.smtp_code, error.smtp_error)}") from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise SendError(f"{host}: {error}") from None
    return clean(_describe_refused(refused), MAX_ERROR_CHARS) if refused else ""


def _describe_refused(recipients: Mapping[str, tuple[int, bytes]]) -> str:
    each = (f"{name} ({_describe_reply(*reply)})" for name, reply in sorted(recipients.items()))
    return f"refused {', '.join(each)}"


def _describe_reply(code: int, text: bytes | str) -> str:
    plain = text.decode(errors="replace") if isinstance(text, bytes) else text
    return f"{code} {plain}"


def find_watched(host: str) -> list[str]:
    """Return the nodes that a relay is, by its name or its addresses: it would have to report
    its own failure. One query, and one of DNS."""
    return find_same(host, resolve(host), _list_nodes())


def warn_by_name(channels: Iterable[Channel]) -> dict[str, str]:
    """Return channel → warning of those whose relay has a node's name or address as it is written,
    without DNS, which may take long. One query where there is mail."""
    hosts = {each.name: each.values.get("host", "") for each in channels if each.kind == "mail"}
    nodes = _list_nodes() if hosts else []
    same = {name: find_same(host, [host], nodes) for name, host in hosts.items()}
    return {name: describe_watched(names) for name, names in same.items() if names}


def describe_watched(nodes: Iterable[str]) -> str:
    """Return the warning of a relay that is these nodes."""
    return (
        f"Its relay is {', '.join(nodes)}, which is watched: the alarm about mail that is stuck"
        " would be stuck behind it. Use a relay of another provider."
    )


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


def _list_nodes() -> list[tuple[str, str, list[str]]]:
    return list(Node.objects.filter(retired_at=None).values_list("name", "hostname", "addresses"))


def resolve(host: str) -> set[str]:
    """Return the addresses of a host; none where DNS has none."""
    try:
        results = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {str(each[4][0]).partition("%")[0] for each in results}
