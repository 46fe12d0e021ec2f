"""Kinds of profiles: what they are of, in levels, raw events, URLs and words. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from server.events import domains
from server.events.providers import Provider, find_by_name
from server.rollups.levels import OTHER

MAX_NAME_CHARS = 255


@dataclass(frozen=True)
class Kind:
    """One kind. `key`: its name in URLs and in the API; `dimension`: of the levels; `column`: of
    email_events, by which events are found too; `label`, `plural`: what people call it."""

    key: str
    label: str
    plural: str
    dimension: str
    column: str

    @property
    def title(self) -> str:
        return self.label[0].upper() + self.label[1:]

    @property
    def plural_title(self) -> str:
        return self.plural[0].upper() + self.plural[1:]

    @property
    def is_domain(self) -> bool:
        return self.column in {"to_domain", "from_domain"}

    @property
    def is_peer(self) -> bool:
        """Whether it takes mail; the others send it."""
        return self.key in {"provider", "destination"}


PROVIDER = Kind("provider", "provider", "providers", "provider", "provider")
DESTINATION = Kind("destination", "destination", "destinations", "to_domain", "to_domain")
IP = Kind("ip", "sending IP", "sending IPs", "sending_ip", "sending_ip")
DOMAIN = Kind("domain", "sending domain", "sending domains", "from_domain", "from_domain")
ACCOUNT = Kind("account", "account", "accounts", "account", "account")
KINDS: Mapping[str, Kind] = {k.key: k for k in (PROVIDER, DESTINATION, IP, DOMAIN, ACCOUNT)}
#: Column of an event → the kind whose page its value has.
BY_COLUMN = {kind.column: kind for kind in KINDS.values()}


def clean_name(kind: Kind, text: str) -> str | None:
    """Return the name as events have it; None: nothing can have this name."""
    text = text.strip() or text  # hostile mail is of a name of blanks
    if not text or len(text) > MAX_NAME_CHARS or "\0" in text or text == OTHER:
        return None
    if kind.is_domain:
        return domains.to_ascii(text)
    if kind is IP:
        return _clean_ip(text)
    return text


def show_name(kind: Kind, name: str) -> str:
    """Return the name as people read it."""
    return domains.to_unicode(name) if kind.is_domain else name


def describe(kind: Kind, name: str) -> Provider | None:
    """Return what is known of a provider beside its mail; None of any other."""
    return find_by_name(name) if kind is PROVIDER else None


def _clean_ip(text: str) -> str | None:
    try:
        address = ip_address(text.strip("[]"))
    except ValueError:
        return None
    return None if getattr(address, "scope_id", None) else str(address)
