"""Addresses that notifications may be sent to: public ones, and those of networks that are allowed.

Whoever edits channels could otherwise make this server ask what only it can reach: cloud metadata
at 169.254.169.254, Redis on loopback, the routers of the network.
"""

import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
#: Where an IPv4 address is inside one of IPv6 (RFC 6052), beside those that `ipaddress` knows.
_NAT64 = ip_network("64:ff9b::/96")
#: All that is given out as public addresses of IPv6.
_PUBLIC_IPV6 = ip_network("2000::/3")


class RefusedAddress(Exception):
    """A host none of whose addresses may be connected to; the text names the fix."""


def read_networks() -> list[Network]:
    """Return the networks of NOTIFICATION_NETWORKS. Raises ValueError for what is none."""
    return [ip_network(each, strict=False) for each in settings.NOTIFICATION_NETWORKS]


@register()
def check_networks(**_: object) -> list[CheckMessage]:
    """Refuse networks that are none at the start: a notification would be the first to notice."""
    errors: list[CheckMessage] = []
    for each in settings.NOTIFICATION_NETWORKS:
        try:
            ip_network(each, strict=False)
        except ValueError:
            text = f"NOTIFICATION_NETWORKS: {each!r} is no network."
            hint = "Write networks such as 10.0.0.0/8 or fd00::/8 with commas between them."
            errors.append(Error(text, hint=hint, id="alerts.E001"))
    return errors


def is_allowed(address: Address, networks: Iterable[Network]) -> bool:
    """Return whether an address may be connected to. Pure."""
    plain = _unwrap(address)
    if isinstance(plain, IPv6Address) and plain not in _PUBLIC_IPV6:
        # IPv4 inside of it in a way that systems translate, site-local, or not given to anybody.
        return any(plain in each for each in networks if each.version == plain.version)
    if any(each in network for each in {address, plain} for network in networks
           if each.version == network.version):  # fmt: skip
        return True
    return plain.is_global and not plain.is_multicast


def resolve(host: str, port: int, networks: Sequence[Network]) -> list[str]:
    """Return the addresses of a host that may be connected to, as DNS has them now.

    Raises RefusedAddress where none may, OSError where there is none.
    """
    results = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(each[4][0]).partition("%")[0] for each in results))
    allowed = [each for each in addresses if is_allowed(ip_address(each), networks)]
    if not allowed:
        raise RefusedAddress(
            f"{host} is {', '.join(addresses[:3])}, which is no public address: add its network to"
            " NOTIFICATION_NETWORKS if it is yours"
        )
    return allowed


def connect(
    host: str, port: int, networks: Sequence[Network], *, timeout_s: float
) -> socket.socket:
    """Return a connection to the first allowed address that takes one. Raises RefusedAddress or
    OSError."""
    failure = OSError("no address")
    for address in resolve(host, port, networks):
        try:
            connected = socket.create_connection((address, port), timeout_s)
        except OSError as error:
            failure = error
        else:
            with suppress(OSError):
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connected
    raise failure


def end_after(connection: socket.socket, after_s: float) -> Callable[[], None]:
    """Shut a connection down after so long, whatever it waits for; return what takes that back."""
    # TLS takes the socket over, so the end is by another one of the same connection.
    twin = connection.dup()

    def end() -> None:
        with twin, suppress(OSError):  # it may be closed already
            twin.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(after_s, end)
    timer.daemon = True
    timer.start()

    def take_back() -> None:
        timer.cancel()
        twin.close()

    return take_back


def _unwrap(address: Address) -> Address:
    """Return the IPv4 address inside one of IPv6, else the address."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
    if inner is None and address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFF_FFFF)
    return inner or address
