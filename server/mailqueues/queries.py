"""Questions to the readings of the mail queues."""

import json
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db import connection

from server.mailqueues.accounting import Reading
from server.mailqueues.wire import MailQueue
from server.nodes import freshness

#: A node that has read no mail queue for longer has none.
NEWEST_WITHIN = timedelta(days=7)
#: For so long a node is known to read a database that does not answer any more.
DATABASE_WITHIN = timedelta(days=1)
#: So old a reading may be whatever its interval, as a node's own may.
FRESH_FOR_S = 45.0

# A few steps down the unique index (node, time) for each node, however many readings there are.
# Rows are compared, not columns, because the planner would go down the index on time instead, and
# read all readings of the others to find that a silent node has none.
_OF_NODE = """(node_id, time) > (n.id, %(since)s) AND (node_id, time) <= (n.id, %(now)s)
    AND time > %(since)s AND time <= %(now)s"""
_NEWEST_FIRST = "ORDER BY node_id DESC, time DESC"
NEWEST = f"""SELECT n.name, newest.time, to_jsonb(newest), whole.time, to_jsonb(whole), t.times
FROM nodes_node AS n
CROSS JOIN LATERAL (
  SELECT * FROM mail_queue_snapshots WHERE {_OF_NODE} {_NEWEST_FIRST} LIMIT 1
) AS newest
LEFT JOIN LATERAL (
  SELECT * FROM mail_queue_snapshots
  WHERE {_OF_NODE} AND time > %(known_since)s AND database <> ''
  {_NEWEST_FIRST} LIMIT 1
) AS whole ON true
CROSS JOIN LATERAL (
  SELECT array_agg(time) AS times FROM (
    SELECT time FROM mail_queue_snapshots
    WHERE {_OF_NODE} {_NEWEST_FIRST} LIMIT {freshness.READINGS}
  ) AS few
) AS t
ORDER BY n.name"""  # noqa: S608 (a number of ours)


def newest_readings(now: datetime) -> list[Reading]:
    """Return the newest reading of each node; what a wrong clock dates into the future is none."""
    values = {"since": now - NEWEST_WITHIN, "known_since": now - DATABASE_WITHIN, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(NEWEST, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    found = []
    for node, at, queue, whole_at, whole, times in rows:
        stale_after_s = freshness.stale_after_s(times, at_least_s=FRESH_FOR_S)
        found.append(
            Reading(
                node=node,
                at=at,
                queue=_queue(queue),
                stale_after=timedelta(seconds=stale_after_s),
                whole=(whole_at, _queue(whole)) if whole_at else None,
            )
        )
    return found


def _queue(row: str) -> MailQueue:
    # What the door took once is not judged again: limits may have become stricter since.
    return msgspec.convert(json.loads(row), MailQueue, strict=False)
