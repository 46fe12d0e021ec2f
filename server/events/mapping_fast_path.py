"""Fast path of mapping: what `mapping` does, for batches in which no event needs mending. Pure.

Most are of this kind: every text fits, nothing is null, nothing is refused.
Their events are mapped column by column, so that a step is one pass over a list. Anything else is
left to the reference path; a property test holds both to the same lines.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from server.events import domains
from server.events.columns import COLUMNS, MAX_SPAM_SYMBOLS, NAMES
from server.events.mapping import (
    IP_FIELDS,
    LINE_BREAKS,
    NULL,
    Context,
    Refused,
    escape,
    format_array,
    name_account,
    read_ip,
)
from server.events.outcomes import FACTS, REFUSALS, find_facts, has_facts
from server.events.vocabulary import EMPTY_SENDER
from server.events.wire import Event

#: Senders, and servers that answered, that are remembered: a batch has some of them many times.
MAX_REMEMBERED = 4_096
_MAX_CHARS = {column.name: column.max_chars for column in COLUMNS if column.max_chars}
_NO_TEXT = ("smallint", "integer", "bigint", "double precision", "boolean", "uuid")
_NO_TEXTS = tuple(column.name for column in COLUMNS if column.type in _NO_TEXT)
_FACTS_FROM = ("direction", "event_type", "mx_host", "to_domain", "status_code", "bounce_category",
               "bounce_message", "status_message")  # fmt: skip
_NO_FACTS = (NULL,) * len(FACTS)
_LIKE_NULL = (b"\\\\N", b"\\u004", b"\\u005")
_values = msgspec.structs.astuple
_Columns = dict[str, Sequence[Any]]


def _plain_fields() -> Iterator[tuple[str, Any, Any]]:
    """Yield the fields of Event: never null, no longer than what is stored, NULL if not sent."""
    limits = _MAX_CHARS | {"spam_symbols": MAX_SPAM_SYMBOLS}
    hints = get_type_hints(Event, include_extras=True)
    for field in msgspec.structs.fields(Event):
        hint = hints[field.name]
        kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        if NoneType in get_args(kind):
            kind = next(each for each in get_args(kind) if each is not NoneType)
        if field.name in limits:
            kind = Annotated[kind, msgspec.Meta(max_length=limits[field.name])]
        is_required = field.name == "occurred_at" or field.default is not None
        yield field.name, kind, field.default if is_required else NULL


PlainEvent = msgspec.defstruct(
    "PlainEvent", list(_plain_fields()), kw_only=True, frozen=True, gc=False
)


def is_mappable(body: bytes) -> bool:
    """Return whether `plain_lines` can take the events in `body`, which is JSON.

    Not with what may be a text that is equal to NULL: a backslash before an N, or letters by
    number, which nobody writes.
    """
    return b"\\" not in body or not any(each in body for each in _LIKE_NULL)


def plain_lines(
    events: Sequence[Any], context: Context, *, escaped: bool = False
) -> list[str] | None:
    """Return PlainEvents of a body that `is_mappable` as COPY lines, in order.

    None: at least one of them is to be refused; the reference path says which, and why. `escaped`:
    whether a text may need escaping.
    """
    if not events:
        return []
    columns: _Columns = dict(zip(NAMES, zip(*map(_values, events), strict=True), strict=False))
    try:
        columns["mta_node"] = _read_nodes(columns["mta_node"], context)
        columns |= _read_times(columns["occurred_at"], context)
        columns |= {name: _each(partial(read_ip, name), columns[name]) for name in IP_FIELDS}
    except (Refused, OverflowError):
        return None
    columns |= _read_addresses(columns)
    columns["account"] = _read_accounts(columns["account"], columns["auth_user"])
    columns["event_id"] = msgspec.to_builtins(columns["event_id"])
    columns["spam_symbols"] = _each(format_array, columns["spam_symbols"])
    facts = map(_find_facts, zip(*(columns[name] for name in _FACTS_FROM), strict=True))
    columns |= dict(zip(FACTS, zip(*facts, strict=True), strict=True))
    columns |= {name: _each(str, columns[name]) for name in _NO_TEXTS}
    rows = list(zip(*columns.values(), strict=True))
    lines = list(map("\t".join, rows))
    if not escaped:
        return lines
    return [escape(line, row, row.count(NULL)) for line, row in zip(lines, rows, strict=True)]


def _each(read: Callable[[Any], str], values: Sequence[Any]) -> Sequence[str]:
    """Return the values read, those that are NULL as they are: in many columns, all of them."""
    if values.count(NULL) == len(values):
        return values
    return [value if value is NULL else read(value) for value in values]


def _read_nodes(nodes: Sequence[str], context: Context) -> Sequence[str]:
    """Return the node of each event. Raises Refused."""
    named = set(nodes) - {NULL, ""}
    if named - {context.node} if context.node else len(named) != len(set(nodes)):
        raise Refused("of another node, or of none")
    if any(map(LINE_BREAKS.search, named)):
        raise Refused("a name to be mended")
    return [context.node] * len(nodes) if context.node else nodes


def _read_times(times: Sequence[datetime], context: Context) -> _Columns:
    """Return the columns of times, by our clock and by the node's. Raises Refused."""
    node_times: Sequence[str] = [NULL] * len(times)
    times = [at.astimezone(UTC) for at in times]
    if context.ahead:
        node_times, times = msgspec.to_builtins(times), list(map(context.correct, times))
    for at in (min(times), max(times)):
        context.check_time("occurred_at", at)
    return {"occurred_at": msgspec.to_builtins(times), "node_occurred_at": node_times}


def _read_addresses(columns: _Columns) -> _Columns:
    """Return the columns of users and domains, which are of the addresses where these have any."""
    senders, users, from_domains = zip(*map(_read_sender, columns["from_address"]), strict=True)
    to_domains = [to.rpartition("@")[2] if "@" in to else NULL for to in columns["to_address"]]
    return {
        "from_address": senders,
        "from_user": _first(columns["from_user"], users),
        "from_domain": _each(_read_domain, _first(from_domains, columns["from_domain"])),
        "to_domain": _each(_read_domain, _first(to_domains, columns["to_domain"])),
    }


def _read_accounts(accounts: Sequence[str], users: Sequence[str]) -> Sequence[str]:
    """Return the account of each event, by its user where it names none."""
    if NULL not in accounts:
        return accounts
    return _first(accounts, _each(lambda user: name_account(user) or NULL, users))


def _first(values: Sequence[str], others: Sequence[str]) -> Sequence[str]:
    """Return the values, and where there is none the other ones."""
    if NULL not in values or others.count(NULL) == len(others):
        return values
    return [b if a is NULL else a for a, b in zip(values, others, strict=True)]


@lru_cache(maxsize=MAX_REMEMBERED)
def _read_sender(address: str) -> tuple[str, str, str]:
    """Return a sender, its user, and its domain as it was written."""
    if address in {NULL, "", EMPTY_SENDER}:
        return address or EMPTY_SENDER, NULL, NULL
    local, at, domain = address.rpartition("@")
    return (address, local, domain) if at else (address, address, NULL)


def _read_domain(name: str) -> str:
    return name.lower() if name.isascii() else domains.to_ascii(name)[: _MAX_CHARS["to_domain"]]


def _find_facts(event: Sequence[Any]) -> tuple[str, ...]:
    """Return the facts of an event, given by its values of _FACTS_FROM."""
    if not has_facts(event[0], event[1]):
        return _NO_FACTS
    if event[1] not in REFUSALS:
        return _find_remembered(*event[:4])
    return _find(*event)


def _find(*event: Any) -> tuple[str, ...]:
    known: dict[str, Any] = {
        name: None if value is NULL else value
        for name, value in zip(_FACTS_FROM, event, strict=False)
    }
    facts = find_facts(
        direction=known["direction"],
        event_type=known["event_type"],
        mx_host=known["mx_host"],
        to_domain=known["to_domain"],
        status_code=known.get("status_code"),
        category=known.get("bounce_category"),
        reply=known.get("bounce_message") or known.get("status_message"),
    )
    return tuple([NULL if fact is None else fact for fact in facts])


_find_remembered = lru_cache(maxsize=MAX_REMEMBERED)(_find)
