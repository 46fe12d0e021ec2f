"""Kind of channel: the fields that configure it, and how a message becomes a request. Pure."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from server.alerts.notifications.messages import Message

Values = Mapping[str, str]
#: What stands in an address or a name of a header: no blanks, no controls.
_TOKEN = re.compile(r"[\x21-\x7e]+")
MAX_FIELD_CHARS = 2_000


class BadField(ValueError):
    """A field that cannot be used; the text names it and the fix."""


@dataclass(frozen=True)
class Field:
    """A field of a channel's form. `secret`: stored encrypted, never shown again."""

    name: str
    label: str
    help: str = ""
    secret: bool = False
    required: bool = True
    default: str = ""
    check: Callable[[str], str] = str.strip


@dataclass(frozen=True)
class Request:
    """A request to send: HTTP with its body. The address may hold a secret: never logged."""

    method: str
    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ChannelKind:
    """A protocol. `build` makes the request of a message; None for mail, which is no HTTP.

    `digests`: many at once come as one message; not where a program reads them.
    `read_error`: returns what a service says in a body of 200 where it failed all the same.
    """

    name: str
    title: str
    fields: tuple[Field, ...]
    build: Callable[[Message, Values], Request] | None
    read_error: Callable[[bytes], str | None] = lambda _: None
    digests: bool = True

    @property
    def secrets(self) -> frozenset[str]:
        return frozenset(each.name for each in self.fields if each.secret)

    def check(self, values: Values) -> dict[str, str]:
        """Return the values as they are stored. Raises BadField."""
        unknown = values.keys() - {each.name for each in self.fields}
        if unknown:
            raise BadField(f"{', '.join(sorted(unknown))}: not a field of {self.title}")
        checked = {}
        for each in self.fields:
            text = values.get(each.name, "") or each.default
            if len(text) > MAX_FIELD_CHARS:
                raise BadField(f"{each.name}: longer than {MAX_FIELD_CHARS} characters")
            if not text.strip():
                if each.required:
                    raise BadField(f"{each.name}: give a value")
                checked[each.name] = ""
                continue
            try:
                checked[each.name] = each.check(text)
            except BadField as error:
                raise BadField(f"{each.name}: {error}") from None
        return checked


def check_url(text: str) -> str:
    """Return an HTTP address. Raises BadField, without the address: it may hold a secret."""
    url = text.strip()
    if not _TOKEN.fullmatch(url):
        raise BadField("an address has no blanks and only ASCII characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadField("not an address such as https://example.com/hook") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise BadField("not an address such as https://example.com/hook")
    if parts.username is not None:
        raise BadField("an address with a user name in it is not supported")
    if "%" in parts.netloc:
        raise BadField("a host has no % in it: leave the zone of an address out")
    if parts.fragment:
        raise BadField("leave out what follows #")
    return url


def check_token(text: str) -> str:
    """Return a key or name that goes into a header or an address. Raises BadField."""
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise BadField("no blanks, and only ASCII characters")
    return token


def post_json(url: str, value: Any, headers: Values | None = None) -> Request:
    """Return a POST of a value as JSON."""
    return Request(
        "POST", url, encode(value), {"Content-Type": "application/json", **(headers or {})}
    )


def encode(value: Any) -> bytes:
    """Return a value as JSON in ASCII, so that no service misreads it."""
    return json.dumps(value, separators=(",", ":")).encode()
