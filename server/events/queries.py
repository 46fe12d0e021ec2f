"""Queries of the raw events. Time ranges are always parameters, and always bound the time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import OperationalError, connection, transaction

from server.events import domains, search_values
from server.events.columns import COLUMNS as EVENT_COLUMNS
from server.events.columns import NAMES
from server.events.outcomes import REFUSALS
from server.events.vocabulary import EMPTY_SENDER, FAILURES
from server.timescale.rows import fetch_rows

#: The columns of an answer: those of the wire, and when it was stored.
COLUMNS = (*NAMES, "received_at")
#: Columns to search by. The value must be equal; see DOMAINS, ADDRESSES and search_values. `reply`
#: are words of one.
FILTERS = (
    "event_type", "direction", "mta_node", "message_id", "queue_id", "from_address", "from_domain",
    "to_address", "to_domain", "sending_ip", "mx_host", "status_code", "bounce_type",
    "bounce_category", "zone", "source", "certainty", "provider", "bounce_class",
    "reply_fingerprint", "auth_user", "account", "origin", "parent_id", "wildduck_id",
    "caused_queue_id", "reply",
)  # fmt: skip
#: Of these the case and the spelling (A-labels or U-labels) are ignored.
DOMAINS = ("from_domain", "to_domain")
#: Of these the case is ignored; each with the column of its domain.
ADDRESSES = {"from_address": "from_domain", "to_address": "to_domain"}
SQL_TYPES = {column.name: column.type.removesuffix(" NOT NULL") for column in EVENT_COLUMNS}
#: Columns of refusals alone.
OF_REFUSALS = ("bounce_class", "reply_fingerprint")
REFUSED = ", ".join(f"'{event_type}'" for event_type in sorted(REFUSALS))
FAILED = ", ".join(f"'{event_type}'" for event_type in sorted(FAILURES))
#: Columns whose index finds few rows in any stretch of time.
FOUND_BY_ID = ("message_id", "queue_id", "parent_id", "wildduck_id", "caused_queue_id")
#: Columns that have an index of their own in the order of time.
NEWEST_FIRST = ({"from_domain"}, {"to_domain"})
#: So many of the newest events are read before a search goes further back.
FIRST_WINDOW_EVENTS = 10_000
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
MAX_BOUNCES = 2_000
#: Of a statement that took longer than it may.
CANCELLED = "57014"
SELECTED = ", ".join(
    f"host({name}) AS {name}" if name in {"sending_ip", "sending_ip_v6", "client_ip"} else name
    for name in COLUMNS
)
NEWEST_BOUNCES = f"""SELECT coalesce(bounce_category, ''),
  coalesce(bounce_message, status_message, ''), count(*), max(occurred_at)
FROM (
  SELECT * FROM email_events
  WHERE event_type = 'bounced' AND direction = %(direction)s
    AND occurred_at >= %(start)s AND occurred_at < %(end)s
    AND NOT (direction = 'outbound' AND from_address IS NOT DISTINCT FROM '{EMPTY_SENDER}')
  ORDER BY occurred_at DESC LIMIT %(limit)s
) AS newest
GROUP BY 1, 2"""  # noqa: S608 (a name of the vocabulary)


class Position(NamedTuple):
    """The place of an event in the order of answers: newest first."""

    occurred_at: datetime
    event_id: UUID


@dataclass(frozen=True)
class Reply:
    """A reply of remote servers, how often it came, and when last."""

    category: str
    reply: str
    count: int
    last_at: datetime


def search(
    start: datetime,
    end: datetime,
    filters: Mapping[str, Any],
    *,
    limit: int,
    after: Position | None = None,
) -> list[dict[str, Any]]:
    """Return events of [start, end) that have these values, newest first, those `after` a place.

    By key and not by number: a page is as fast as the first, and new events move nothing.
    """
    if after:
        end = min(end, after.occurred_at + MICROSECOND)  # what leaves out chunks
    if _are_found_in_order(filters):
        return _search(start, end, filters, limit=limit, after=after)
    events: list[dict[str, Any]] = []
    for first, last in _windows(start, end):
        events += _search(
            first, last, filters, limit=limit - len(events), after=after, all_of_it=True
        )
        if len(events) >= limit:
            break
    return events


def search_within(
    max_ms: int,
    start: datetime,
    end: datetime,
    filters: Mapping[str, Any],
    *,
    limit: int,
    after: Position | None = None,
) -> list[dict[str, Any]] | None:
    """Return what `search` does; None where it was given up as it took longer."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = %s", [max_ms])
            return search(start, end, filters, limit=limit, after=after)
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", None) != CANCELLED:
            raise
        return None


def _search(
    start: datetime,
    end: datetime,
    filters: Mapping[str, Any],
    *,
    limit: int,
    after: Position | None,
    all_of_it: bool = False,
) -> list[dict[str, Any]]:
    """Search one stretch; `all_of_it`: at once and in parallel, not in order until `limit`."""
    conditions = ["occurred_at >= %(start)s::timestamptz", "occurred_at < %(end)s::timestamptz"]
    values = {"start": start, "end": end, "limit": limit}
    for name, value in filters.items():
        more, named = _condition(name, value)
        conditions.append(more)
        values |= named
    if after:
        conditions.append(
            "(occurred_at, event_id) < (%(after_at)s::timestamptz, %(after_id)s::uuid)"
        )
        values |= {"after_at": after.occurred_at, "after_id": str(after.event_id)}
    # No index has the order of this expression.
    order = "occurred_at + interval '0'" if all_of_it else "occurred_at"
    return _events(
        f"SELECT {SELECTED} FROM email_events WHERE {' AND '.join(conditions)}"  # noqa: S608
        f" ORDER BY {order} DESC, event_id DESC LIMIT %(limit)s",
        values,
    )


def _condition(name: str, value: Any) -> tuple[str, dict[str, Any]]:
    """Return the condition of a filter, and its values by name. Pure.

    Addresses are as mail programs wrote them: their case is ignored. No index has them, but that of
    their domain leaves little to compare.
    """
    if name in _SEVERAL:
        return _SEVERAL[name](name, value)
    if name in OF_REFUSALS:
        # What the index of failures is of: nothing else has a class.
        return f"{name} = %({name})s::text AND event_type IN ({REFUSED})", {name: value}
    if name not in ADDRESSES:
        return f"{name} = %({name})s::{SQL_TYPES[name]}", {name: value}
    condition, values = _is_one_of(f"lower({name})", name, domains.spellings(value))
    _, at, domain = value.rpartition("@")
    if not at:
        return condition, values
    of = ADDRESSES[name]
    of_domain, more = _is_one_of(of, f"{name}_domain", domains.spellings(domain))
    return f"{condition} AND {of_domain}", values | more


def _has_type(name: str, value: str) -> tuple[str, dict[str, Any]]:
    return _is_one_of(name, name, search_values.split_list(value))


def _is_of_node(name: str, value: str) -> tuple[str, dict[str, Any]]:
    return _is_one_of(name, name, search_values.list_nodes(value))


def _has_code(name: str, value: str | int) -> tuple[str, dict[str, Any]]:
    first, last = search_values.parse_codes(str(value))
    condition = f"{name} BETWEEN %(first_code)s::smallint AND %(last_code)s::smallint"
    return condition, {"first_code": first, "last_code": last}


def _is_of_domain(name: str, value: str) -> tuple[str, dict[str, Any]]:
    if not search_values.is_wildcard(value):
        return _is_one_of(name, name, domains.spellings(value))
    domain = search_values.parse_wildcard(value)
    domain = domains.to_ascii(domain) or domain.lower()
    pattern = search_values.like_pattern(domain, before="%.", after="")
    return f"{name} LIKE %({name})s::text", {name: pattern}


def _has_words(name: str, value: str) -> tuple[str, dict[str, Any]]:
    # Of mail that did not go on, which has an index: what is delivered is most of all, and its
    # replies say little.
    words = search_values.split_words(value)
    values = {f"word_{n}": search_values.like_pattern(word) for n, word in enumerate(words)}
    reply = "coalesce(bounce_message, status_message)"
    has_all = " AND ".join(f"{reply} ILIKE %({key})s::text" for key in values)
    return f"event_type IN ({FAILED}) AND {has_all}", values


_SEVERAL: dict[str, Callable[[str, Any], tuple[str, dict[str, Any]]]] = {
    "event_type": _has_type,
    "mta_node": _is_of_node,
    "status_code": _has_code,
    "reply": _has_words,
    **dict.fromkeys(DOMAINS, _is_of_domain),
}


def _is_one_of(expression: str, name: str, texts: Sequence[str]) -> tuple[str, dict[str, Any]]:
    # One is compared by "=": an index is in the order of time for a single value alone.
    values = {f"{name}_{i}": text for i, text in enumerate(texts)}
    places = [f"%({each})s::text" for each in values]
    if len(places) == 1:
        return f"{expression} = {places[0]}", values
    return f"{expression} IN ({', '.join(places)})", values


def _are_found_in_order(filters: Mapping[str, Any]) -> bool:
    """Return whether an index has just the wanted events, newest first, or hardly any others."""
    if any(name in filters for name in FOUND_BY_ID):
        return True
    names = filters.keys() - {"direction"}
    if names == {"event_type"}:
        return filters["event_type"] in FAILURES
    is_wild = any(search_values.is_wildcard(filters.get(name, "")) for name in DOMAINS)
    return not filters or (names in NEWEST_FIRST and not is_wild)


def _windows(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield stretches that make up [start, end), newest first, each much longer than the last.

    Frequent values are found in the first, which is read in no time. Rare ones are looked for in
    all of a window at once: the planner, who does not know how rare they are, would rather go
    through the events one by one until it has enough, which it never has.
    """
    rows = fetch_rows(
        "SELECT occurred_at FROM email_events"
        " WHERE occurred_at >= %(start)s::timestamptz AND occurred_at < %(end)s::timestamptz"
        " ORDER BY occurred_at DESC LIMIT 1 OFFSET %(looked_at)s",
        {"start": start, "end": end, "looked_at": FIRST_WINDOW_EVENTS},
    )
    first = rows[0][0] if rows else start
    yield first, end
    length = end - first
    while first > start:
        # Ten times as much, but never so much more that days are read where one would do.
        length = max(min(10 * length, DAY), 2 * length)
        end, first = first, max(start, first - length)
        yield first, end


def search_all(
    start: datetime, end: datetime, filters: Mapping[str, Any], *, limit: int, page: int
) -> Iterator[dict[str, Any]]:
    """Yield what `search` finds, up to `limit` events, reading `page` of them at a time."""
    after = None
    while limit > 0:
        events = search(start, end, filters, limit=min(limit, page), after=after)
        yield from events
        if len(events) < page:
            return
        limit -= len(events)
        after = Position(events[-1]["occurred_at"], events[-1]["event_id"])


def find_event(event_id: UUID) -> dict[str, Any] | None:
    events = _events(
        f"SELECT {SELECTED} FROM email_events WHERE event_id = %(id)s::uuid LIMIT 1",  # noqa: S608
        {"id": str(event_id)},
    )
    return events[0] if events else None


def newest_bounces(start: datetime, end: datetime, *, direction: str) -> list[Reply]:
    """Return the replies of the newest MAX_BOUNCES bounces, each once."""
    values = {"start": start, "end": end, "direction": direction, "limit": MAX_BOUNCES}
    return [Reply(*row) for row in fetch_rows(NEWEST_BOUNCES, values)]


def _events(statement: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in fetch_rows(statement, values)]
