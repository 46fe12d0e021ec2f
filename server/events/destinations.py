"""One destination of outbound mail: the last replies of its servers, and the nodes it defers."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from server.events.domains import to_ascii, to_unicode
from server.timescale.rows import fetch_rows

#: ZoneMTA tries a deferred recipient again after four hours at the latest: whoever still waits was
#: deferred within this time.
LOOKED_BACK = timedelta(hours=6)
#: Replies are searched longer: the last one may be old, and has its time.
REPLIES_LOOKED_BACK = timedelta(hours=48)
MAX_REPLIES = 10

LAST_REPLIES = """
SELECT occurred_at, event_id, event_type, mta_node, coalesce(mx_host, ''), status_code,
  coalesce(bounce_message, status_message, ''), coalesce(to_address, '')
FROM email_events
WHERE to_domain = %(to_domain)s AND direction = 'outbound'
  AND event_type IN ('deferred', 'bounced')
  AND occurred_at > %(since)s::timestamptz AND occurred_at <= %(now)s::timestamptz
ORDER BY occurred_at DESC, event_id DESC LIMIT %(limit)s"""
LAST_DELIVERED = """
SELECT occurred_at FROM email_events
WHERE to_domain = %(to_domain)s AND direction = 'outbound' AND event_type = 'delivered'
  AND occurred_at > %(since)s::timestamptz AND occurred_at <= %(now)s::timestamptz
ORDER BY occurred_at DESC LIMIT 1"""
DEFERRING_NODES = """
SELECT mta_node, count(*), count(DISTINCT (queue_id, to_address)), max(occurred_at)
FROM email_events
WHERE to_domain = %(to_domain)s AND direction = 'outbound' AND event_type = 'deferred'
  AND occurred_at > %(since)s::timestamptz AND occurred_at <= %(now)s::timestamptz
GROUP BY 1 ORDER BY 2 DESC, 1"""


@dataclass(frozen=True)
class Refusal:
    """A reply with which a server of the destination did not accept a message, word for word."""

    occurred_at: datetime
    event_id: UUID
    event_type: str
    node: str
    mx_host: str
    status_code: int | None
    words: str
    to_address: str


@dataclass(frozen=True)
class DeferringNode:
    """Deferrals at one node in LOOKED_BACK: attempts, the recipients they were for, the last."""

    node: str
    deferrals_count: int
    recipients_count: int
    last_at: datetime


@dataclass(frozen=True)
class Destination:
    """The events of one domain, in U-labels. `delivered_at` None: not in REPLIES_LOOKED_BACK."""

    domain: str
    refusals: tuple[Refusal, ...]
    nodes: tuple[DeferringNode, ...]
    delivered_at: datetime | None


def read_destination(domain: str, now: datetime) -> Destination:
    """Return what happened at a domain before `now`. Runs three queries."""
    counted = to_ascii(domain)
    values: dict[str, Any] = {"to_domain": counted, "now": now, "limit": MAX_REPLIES}
    recent = values | {"since": now - LOOKED_BACK}
    longer = values | {"since": now - REPLIES_LOOKED_BACK}
    delivered = fetch_rows(LAST_DELIVERED, longer)
    return Destination(
        to_unicode(counted),
        tuple(Refusal(*row) for row in fetch_rows(LAST_REPLIES, longer)),
        tuple(DeferringNode(*row) for row in fetch_rows(DEFERRING_NODES, recent)),
        delivered[0][0] if delivered else None,
    )
