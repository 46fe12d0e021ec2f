"""The client address of a request behind trusted proxies."""

from collections.abc import Sequence
from functools import cache, lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest

Network = IPv4Network | IPv6Network


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Return the networks of a setting. Raises ValueError that names the wrong one."""
    return tuple(ip_network(text.strip()) for text in texts)


def of_request(request: HttpRequest) -> str:
    """Return the client address of `request`, as far as TRUSTED_PROXIES vouch for it."""
    return client_address(
        request.META.get("REMOTE_ADDR", ""),
        request.META.get("HTTP_X_FORWARDED_FOR", ""),
        _trusted(tuple(settings.TRUSTED_PROXIES)),
    )


def is_ip(text: str) -> bool:
    """Return whether `text` is an IP address as PostgreSQL takes it, so one without a zone.

    A server on a socket file gives none at all.
    """
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def validate_no_zone(text: str) -> None:
    """Refuse fe80::1%eth0, which Django's own fields let through. Raises ValidationError."""
    if "%" in text:
        raise ValidationError("Give the address alone, without the % and what follows it.")


def client_address(remote: str, forwarded_for: str, trusted: tuple[Network, ...]) -> str:
    """Return the address nearest to us that is no trusted proxy.

    `remote` is the peer of the connection; "" on a unix socket, whose mode says which proxy may
    open it. X-Forwarded-For is read from its right end, where our
    own proxies append, and only as far as they vouch for it: the part a client wrote, further left,
    is never trusted.
    """
    address = remote
    for hop in reversed(forwarded_for.split(",")):
        if not _is_trusted(address, trusted) or not hop.strip():
            break
        address = hop.strip()
    return address


_trusted = cache(networks)


@lru_cache(maxsize=10_000)
def _is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    if not address:
        return True
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)
