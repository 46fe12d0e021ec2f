"""Queries of the readings of the mail queues."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from server.mailqueues.accounting import UNASSIGNED, Reading
from server.metrics.mail_queue import MailQueue
from server.nodes import freshness
from server.timescale.rows import fetch_rows

#: A node that has read no mail queue for longer has none.
NEWEST_WITHIN = timedelta(days=7)
#: For so long before its newest reading a node is known to read a database that did not answer it.
DATABASE_WITHIN = timedelta(days=1)
#: So old a reading may be whatever its interval, as a node's own may.
FRESH_FOR_S = 45.0

# A few steps down the unique index (node, time) for each node, however many readings there are.
# Rows are compared, not columns, because the planner would go down the index on time instead, and
# read all readings of the others to find that a silent node has none.
_OF_NODE = """(node_id, time) > (n.id, %(since)s) AND (node_id, time) <= (n.id, %(now)s)
    AND time > %(since)s AND time <= %(now)s"""
_NEWEST_FIRST = "ORDER BY node_id DESC, time DESC"
NEWEST = f"""SELECT n.name, n.retired_at IS NOT NULL, n.in_maintenance, newest.time,
  to_jsonb(newest), whole.time, to_jsonb(whole), t.times
FROM nodes_node AS n
CROSS JOIN LATERAL (
  SELECT * FROM mail_queue_snapshots WHERE {_OF_NODE} {_NEWEST_FIRST} LIMIT 1
) AS newest
LEFT JOIN LATERAL (
  SELECT * FROM mail_queue_snapshots
  WHERE {_OF_NODE} AND time > newest.time - %(known_for)s AND database <> ''
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
    values = {"since": now - NEWEST_WITHIN, "known_for": DATABASE_WITHIN, "now": now}
    return [
        Reading(
            node=node,
            at=at,
            queue=_queue(queue),
            stale_after=timedelta(seconds=freshness.stale_after_s(times, at_least_s=FRESH_FOR_S)),
            detail=(detail_at, _queue(detail)) if detail_at else None,
            is_retired=is_retired,
            in_maintenance=in_maintenance,
        )
        for node, is_retired, in_maintenance, at, queue, detail_at, detail, times in fetch_rows(
            NEWEST, values
        )
    ]


def _queue(row: str) -> MailQueue:
    # What was accepted once is not validated again: limits may have become stricter since.
    return msgspec.convert(json.loads(row), MailQueue, strict=False)


class OwnShare(NamedTuple):
    """The last reading in a bucket. `own_count`: this node's share, None: not known which that is.

    `unassigned_count`: assigned to no instance yet, None: not known. `waiting_count`: all of the
    queue. Everything is None where nothing was read.
    """

    read_at: datetime | None = None
    own_count: int | None = None
    unassigned_count: int | None = None
    waiting_count: int | None = None


# One step down the index for each bucket, however many readings there are.
OF_NODE_BY_BUCKET = """SELECT b.place - 1, r.time, r.instance, r.active_count + r.deferred_count,
  r.shares
FROM unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[])
  WITH ORDINALITY AS b (since, until, place)
CROSS JOIN LATERAL (
  SELECT * FROM mail_queue_snapshots
  WHERE (node_id, time) >= (%(node)s, b.since) AND (node_id, time) < (%(node)s, b.until)
    AND time >= b.since AND time < b.until
  ORDER BY node_id DESC, time DESC LIMIT 1
) AS r
ORDER BY 1"""


def shares_of_node(node_id: int, edges: Sequence[datetime], *, alone: bool) -> dict[int, OwnShare]:
    """Return the last reading of one node's agent in each bucket that has one, by its place.

    `alone`: whether its agent alone reads the database; all shares are this node's then.
    """
    values = {"starts": list(edges[:-1]), "ends": list(edges[1:]), "node": node_id}
    return {
        place: OwnShare(
            at, *own_share(_shares(text), instance, waiting=waiting, alone=alone), waiting
        )
        for place, at, instance, waiting, text in fetch_rows(OF_NODE_BY_BUCKET, values)
    }


def own_share(
    shares: Mapping[str, int] | None, instance: str | None, *, waiting: int, alone: bool
) -> tuple[int | None, int | None]:
    """Return what is one node's of a reading, and what is nobody's yet; None: not known. Pure."""
    if shares is None:
        return (waiting if alone else None), None
    unassigned = shares.get(UNASSIGNED, 0)
    if instance is not None:
        return shares.get(instance, 0), unassigned
    return (sum(shares.values()) - unassigned if alone else None), unassigned


def _shares(text: str | list[dict[str, Any]] | None) -> dict[str, int] | None:
    rows = json.loads(text) if isinstance(text, str) else text
    return None if rows is None else {row["instance"]: row["count"] for row in rows}
