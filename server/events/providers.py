"""Operators of mail servers, by the name of the MX that answered. Pure.

providers.toml has the known ones. Any other is called by the domain its name is registered under.
"""

import re
import tomllib
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from publicsuffixlist import PublicSuffixList

Kind = Literal["mailbox", "isp", "hosting", "gateway", "unknown"]

#: No name in DNS is longer; of what was cut, the end decides.
MAX_HOST_CHARS = 255
MAX_REMEMBERED = 16_384
#: A name of DNS, or an IP. What a stranger calls otherwise names no operator.
_HOST_NAME = re.compile(r"[a-z0-9_.:-]+")


class Provider(NamedTuple):
    """One operator. `postmaster_url`: what it says to who sends mail; empty: not known."""

    name: str
    kind: Kind
    postmaster_url: str


def find_provider(mx_host: str | None) -> Provider | None:
    """Return who operates an MX. None: there is no name of one."""
    host = (mx_host or "").strip().strip("[]").rstrip(".").lower()[-MAX_HOST_CHARS:]
    return _find(host) if host else None


def name_provider(mx_host: str | None, to_domain: str | None) -> str | None:
    """Return the name of who operates the MX of a delivery, else the domain that the recipient's is
    registered under. None: neither is a name of DNS."""
    return _name(mx_host or "") or _name(to_domain or "")


@lru_cache(maxsize=MAX_REMEMBERED)
def _name(host: str) -> str | None:
    provider = find_provider(host)
    if provider is None or provider.kind != "unknown" or _HOST_NAME.fullmatch(provider.name):
        return provider and provider.name
    return None


@lru_cache(maxsize=MAX_REMEMBERED)
def _find(host: str) -> Provider:
    try:
        return Provider(str(ip_address(host.removeprefix("ipv6:"))), "unknown", "")
    except ValueError:
        host = _to_ascii(host)
    known, labels = _read_providers(), host.split(".")
    for start in range(len(labels)):
        provider = known.get(".".join(labels[start:]))
        if provider:
            return provider
    return Provider(_public_suffixes().privatesuffix(host) or host, "unknown", "")


def _to_ascii(host: str) -> str:
    """Return a name as DNS has it. A plugin may report an international one as people write it."""
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return host


@lru_cache(maxsize=1)
def _read_providers() -> dict[str, Provider]:
    path = Path(__file__).with_name("providers.toml")
    known: dict[str, Provider] = {}
    for row in tomllib.loads(path.read_bytes().decode())["provider"]:
        provider = Provider(row["name"], row["kind"], row["page"])
        if provider.kind not in get_args(Kind):
            raise ValueError(f"{path.name}, {provider.name}: {provider.kind!r} is no kind")
        for suffix in row["suffixes"]:
            if known.setdefault(suffix, provider) is not provider:
                raise ValueError(f"{path.name}, {provider.name}: {suffix} is of another one too")
    return known


@lru_cache(maxsize=1)
def _public_suffixes() -> PublicSuffixList:
    # Only those of registries: customers of a host that is on the list are one operator's.
    return PublicSuffixList(only_icann=True)


def find_by_name(name: str) -> Provider | None:
    """Return the known operator of this name; None: it is none of providers.toml."""
    return next((each for each in _read_providers().values() if each.name == name), None)
