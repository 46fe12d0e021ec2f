"""Questions to the raw events. Time ranges are always parameters, and always bound the time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from server.events.columns import NAMES

#: What an answer holds of an event: all that travelled, and when it was stored.
COLUMNS = (*NAMES, "received_at")
#: What may be searched for: column → its type in SQL. The value must be equal.
FILTERS = {
    "event_type": "text",
    "direction": "text",
    "mta_node": "text",
    "message_id": "text",
    "queue_id": "text",
    "from_address": "text",
    "from_domain": "text",
    "to_address": "text",
    "to_domain": "text",
    "sending_ip": "inet",
    "mx_host": "text",
    "status_code": "smallint",
    "bounce_type": "text",
    "bounce_category": "text",
    "zone": "text",
    "source": "text",
    "certainty": "text",
}
#: Columns whose index finds few rows in any stretch of time.
FOUND_BY_ID = ("message_id", "queue_id")
BOUNCES_LOOKED_AT = 2_000
_SELECTED = ", ".join(
    f"host({name}) AS {name}" if name in {"sending_ip", "sending_ip_v6", "client_ip"} else name
    for name in COLUMNS
)
NEWEST_BOUNCES = """SELECT coalesce(bounce_category, ''),
  coalesce(bounce_message, status_message, ''), count(*), max(occurred_at)
FROM (
  SELECT * FROM email_events
  WHERE event_type = 'bounced' AND direction = %(direction)s
    AND occurred_at >= %(start)s AND occurred_at < %(end)s
    AND NOT (direction = 'outbound' AND from_address IS NOT DISTINCT FROM '<>')
  ORDER BY occurred_at DESC LIMIT %(limit)s
) AS newest
GROUP BY 1, 2"""


class Position(NamedTuple):
    """The place of an event in the order of answers: newest first."""

    occurred_at: datetime
    event_id: UUID


@dataclass(frozen=True)
class Reply:
    """What remote servers said, how often, and when last."""

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
    conditions = ["occurred_at >= %(start)s::timestamptz", "occurred_at < %(end)s::timestamptz"]
    conditions += [f"{name} = %({name})s::{FILTERS[name]}" for name in filters]
    values = {"start": start, "end": end, "limit": limit, **filters}
    if after:
        conditions += [
            "occurred_at <= %(after_at)s::timestamptz",  # what leaves out chunks
            "(occurred_at, event_id) < (%(after_at)s::timestamptz, %(after_id)s::uuid)",
        ]
        values |= {"after_at": after.occurred_at, "after_id": str(after.event_id)}
    return _events(
        f"SELECT {_SELECTED} FROM email_events WHERE {' AND '.join(conditions)}"  # noqa: S608
        " ORDER BY occurred_at DESC, event_id DESC LIMIT %(limit)s",
        values,
    )


def search_all(
    start: datetime, end: datetime, filters: Mapping[str, Any], *, limit: int, page: int
) -> Iterator[dict[str, Any]]:
    """Yield what `search` finds, up to `limit` events, reading `page` of them at a time."""
    after = None
    while limit > 0:
        found = search(start, end, filters, limit=min(limit, page), after=after)
        yield from found
        if len(found) < page:
            return
        limit -= len(found)
        after = Position(found[-1]["occurred_at"], found[-1]["event_id"])


def one(event_id: UUID) -> dict[str, Any] | None:
    """Return the event of this id, or None."""
    found = _events(
        f"SELECT {_SELECTED} FROM email_events WHERE event_id = %(id)s::uuid LIMIT 1",  # noqa: S608
        {"id": str(event_id)},
    )
    return found[0] if found else None


def newest_bounces(start: datetime, end: datetime, *, direction: str) -> list[Reply]:
    """Return what was said of the newest BOUNCES_LOOKED_AT bounces, each reply once."""
    with connection.cursor() as cursor:
        cursor.execute(
            NEWEST_BOUNCES,
            {"start": start, "end": end, "direction": direction, "limit": BOUNCES_LOOKED_AT},
        )
        return [Reply(*row) for row in cursor.fetchall()]


def _events(statement: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [dict(zip(COLUMNS, row, strict=True)) for row in cursor.fetchall()]
