"""Mapping of one event as it arrived to a line of PostgreSQL's COPY, or a refusal. Pure.

The reference path: of any event, and readable alone. Most events go by `mapping_fast_path`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from operator import attrgetter
from typing import Any

import msgspec

from server.events import domains
from server.events.columns import COLUMNS, MAX_SPAM_SYMBOL_CHARS, MAX_SPAM_SYMBOLS, NAMES
from server.events.outcomes import FACTS, find_facts
from server.events.vocabulary import EMPTY_SENDER
from server.events.wire import Event

#: How far ahead of our clock an event may be: beyond it a wrong clock makes chunks in the future.
MAX_AHEAD = timedelta(minutes=10)
#: Codes of refusals, for agents: permanent names. The second and third pass by themselves or when
#: an operator mends the clock or the key.
INVALID, TIME_AHEAD, NO_NODE, TOO_OLD = "invalid", "time_ahead", "no_node", "too_old"
NULL = "\\N"
IP_FIELDS = ("sending_ip", "sending_ip_v6", "client_ip")
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
LINE_BREAKS = re.compile(r"[\n\r]")
_TO_ESCAPE = re.compile(r"[\\\n\r\t\0]")
_decode = msgspec.json.Decoder(Event).decode

# An event is a list of values in the order of the columns: this is the inner loop of ingest, and
# looking a place up by name costs as much as the work done there.
_values = attrgetter(*NAMES)
_place = {name: place for place, name in enumerate(NAMES)}
_AT, NODE, _NODE_AT = (_place[n] for n in ("occurred_at", "mta_node", "node_occurred_at"))
_FROM, _FROM_USER, _FROM_DOMAIN = (_place[f"from_{part}"] for part in ("address", "user", "domain"))
_TO, _TO_DOMAIN, _SYMBOLS = (_place[n] for n in ("to_address", "to_domain", "spam_symbols"))
_MX, _STATUS = _place["mx_host"], _place["status_message"]
_AUTH_USER, _ACCOUNT = _place["auth_user"], _place["account"]
_CATEGORY, _BOUNCE = _place["bounce_category"], _place["bounce_message"]
_FACTS = slice(_place[FACTS[0]], _place[FACTS[-1]] + 1)
_IPS = tuple((_place[name], name) for name in IP_FIELDS)
_TEXTS = tuple((_place[c.name], c.max_chars) for c in COLUMNS if c.max_chars)


class Refused(ValueError):
    """This event is not accepted; the text gives the reason and names the field, and `code` is the
    same for programs."""

    def __init__(self, reason: str, code: str = INVALID) -> None:
        super().__init__(reason)
        self.code = code


class WrongNode(ValueError):
    """This item is of another node than its key speaks for. Its batch is refused with it: a key or
    a node id is set wrongly, which an operator can mend, so nothing may be acknowledged."""

    def __init__(self, key_node: str, node: str) -> None:
        super().__init__(f"This key speaks for {key_node!r} only, not for {node!r}.")
        self.key_node, self.node = key_node, node


@dataclass(frozen=True, kw_only=True)
class Context:
    """The facts of a request beside its events: the key's node, the times that are accepted, and
    how far the node's clock is ahead of ours; negative when it is behind, zero when it is right."""

    node: str | None
    oldest: datetime
    newest: datetime
    ahead: timedelta = timedelta()

    @classmethod
    def at(
        cls,
        now: datetime,
        *,
        node: str | None,
        retention: timedelta,
        ahead: timedelta | None = None,
    ) -> "Context":
        return cls(
            node=node,
            oldest=now - retention,
            newest=now + MAX_AHEAD,
            ahead=ahead or timedelta(),
        )

    def before_setting(self, set_forward: timedelta) -> "Context":
        """Return the context of events that were captured before the node's clock was set."""
        return replace(self, ahead=self.ahead - set_forward)

    def correct(self, at: datetime) -> datetime:
        """Return a time of the node's clock by ours. Raises Refused."""
        try:
            return at - self.ahead
        except OverflowError as error:
            raise Refused(f"{at.isoformat()} is out of range") from error

    def check_time(self, field: str, at: datetime) -> None:
        """Raise Refused when an item is not of an accepted time. Agents know the first reason, and
        send the item again when their clock is set."""
        if at > self.newest:
            raise Refused(f"{field} {at.isoformat()} is more than 10 minutes ahead", TIME_AHEAD)
        if at < self.oldest:
            raise Refused(f"{field} {at.isoformat()} is older than the retention", TOO_OLD)

    def needs_escaping(self, body: bytes) -> bool:
        """Return whether a text of the events in `body`, which is JSON, may need escaping for COPY.

        In JSON a tab, a line break, a NUL or a backslash can only be written with a backslash.
        """
        return b"\\" in body or _TO_ESCAPE.search(self.node or "") is not None


def copy_line(raw: bytes | msgspec.Raw, context: Context) -> str:
    """Return `raw`, one JSON object, as a COPY line. Raises Refused or WrongNode."""
    try:
        event = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(str(error)) from error
    return _line(normalize(event, context))


def normalize(event: Event, context: Context) -> list[Any]:
    """Return the values of an event's columns, with aliases, derived fields and limits applied."""
    row = list(_values(event))
    row[NODE] = _node(event, context)
    at, row[_NODE_AT] = _occurred_at(event), None
    if context.ahead:
        at, row[_NODE_AT] = context.correct(at), msgspec.to_builtins(at)
    context.check_time("occurred_at", at)
    row[_AT] = msgspec.to_builtins(at)
    _derive(row, event)
    if row[_ACCOUNT] is None and event.auth_user:
        row[_ACCOUNT] = name_account(event.auth_user) or None
    for place, name in _IPS:
        if row[place] is not None:
            row[place] = read_ip(name, row[place])
    for place, max_chars in _TEXTS:
        if row[place] is not None and len(row[place]) > max_chars:
            row[place] = row[place][:max_chars]
    row[_FACTS] = find_facts(
        direction=event.direction,
        event_type=event.event_type,
        mx_host=row[_MX],
        to_domain=row[_TO_DOMAIN],
        status_code=event.status_code,
        category=row[_CATEGORY],
        reply=row[_BOUNCE] or row[_STATUS],
    )
    if event.spam_symbols is not None:
        row[_SYMBOLS] = format_array(event.spam_symbols)
    return row


def _derive(row: list[Any], event: Event) -> None:
    """Fill in users and domains from the addresses."""
    sender, recipient = event.from_address, event.to_address
    if sender == "":
        row[_FROM] = EMPTY_SENDER
    elif sender is not None and sender != EMPTY_SENDER:
        local, at, domain = sender.rpartition("@")
        if event.from_user is None:
            row[_FROM_USER] = local if at else sender
        # Also where another is given: an address is searched for by the index of its domain.
        if at:
            row[_FROM_DOMAIN] = domain
    if recipient is not None and "@" in recipient:
        row[_TO_DOMAIN] = recipient.rpartition("@")[2]
    for place in (_FROM_DOMAIN, _TO_DOMAIN):
        name = row[place]
        if name is not None:
            row[place] = name.lower() if name.isascii() else domains.to_ascii(name)


def name_account(user: str) -> str:
    """Return a user name without what zonemta-wildduck adds in brackets: how the login was typed.
    Empty where nothing is left."""
    return user.partition("[")[0]


def to_line(row: dict[str, Any]) -> str:
    """Return column values by name as a COPY line; missing ones are NULL. Raises Refused."""
    return _line([row.get(name) for name in NAMES])


def _line(row: Sequence[Any]) -> str:
    """Return values in the order of the columns as a line of COPY's text format."""
    texts = _texts(row)
    line = "\t".join(texts)
    if "\0" in line:
        # PostgreSQL refuses the batch for one of these.
        name = next(name for name, text in zip(NAMES, texts, strict=True) if "\0" in text)
        raise Refused(f"{name}: a NUL character cannot be stored")
    return escape(line, texts, row.count(None))


def escape(line: str, texts: Sequence[str], nulls: int) -> str:
    """Return `line`, which is `texts` of which `nulls` are NULL, escaped for COPY.

    One check of the line: characters to escape are rare, and a check of each value costs more.
    """
    plain = line.count("\t") == len(texts) - 1 and line.count("\\") == nulls
    if plain and "\n" not in line and "\r" not in line:
        return line
    return "\t".join([text if text is NULL else text.translate(_ESCAPES) for text in texts])


def _texts(row: Sequence[Any]) -> list[str]:
    # PostgreSQL reads Python's True and False as they are.
    return [NULL if value is None else value if type(value) is str else str(value) for value in row]


def _occurred_at(event: Event) -> datetime:
    at = event.occurred_at or event.timestamp or event.time
    if at is None:
        raise Refused("Object missing required field `occurred_at`")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise Refused(f"occurred_at {at.isoformat()} is out of range") from error


def _node(event: Event, context: Context) -> str:
    if context.node is None:
        if not event.mta_node:
            raise Refused("mta_node is missing, and this key is bound to no node", NO_NODE)
        return LINE_BREAKS.sub(" ", event.mta_node)
    if event.mta_node and event.mta_node != context.node:
        raise WrongNode(context.node, event.mta_node)
    return context.node


@lru_cache(maxsize=10_000)
def _canonical_ip(text: str) -> str:
    # Without a zone (fe80::1%eth0): it means something on its node alone, and inet has none.
    return str(ip_address(text.partition("%")[0]))


def read_ip(name: str, text: str) -> str:
    """Return the address in its usual form. Raises Refused."""
    try:
        return _canonical_ip(text)
    except ValueError as error:
        raise Refused(f"{name}: {error}") from error


def format_array(symbols: list[str]) -> str:
    """Return symbols as PostgreSQL's array, as many and as long as are stored."""
    cut = [symbol[:MAX_SPAM_SYMBOL_CHARS] for symbol in symbols[:MAX_SPAM_SYMBOLS]]
    quoted = ['"' + s.replace("\\", "\\\\").replace('"', '\\"') + '"' for s in cut]
    return "{" + ",".join(quoted) + "}"
