"""Queries of deliveries that were tried, and of the providers they were tried at."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from server.timescale.rows import fetch_rows

#: A provider is known of the mail of so long.
PROVIDERS_WITHIN = timedelta(days=7)

# Two steps down the unique index (node, time): ZoneMTA's own counters count what no event tells.
COUNTERS = """SELECT n.name, newest.deliveries, newest.started_at_s, before.deliveries,
  before.started_at_s
FROM nodes_node AS n
CROSS JOIN LATERAL (
  SELECT * FROM metrics_zonemta
  WHERE node_id = n.id AND time > %(since)s AND time <= %(now)s ORDER BY time DESC LIMIT 1
) AS newest
CROSS JOIN LATERAL (
  SELECT * FROM metrics_zonemta
  WHERE node_id = n.id AND time > %(since)s - %(span)s AND time <= %(since)s
  ORDER BY time DESC LIMIT 1
) AS before
WHERE n.name = ANY(%(nodes)s)"""
BY_EVENTS = """SELECT DISTINCT mta_node, zone FROM email_events
WHERE occurred_at > %(since)s::timestamptz AND direction = 'outbound'
  AND event_type IN ('delivered', 'deferred', 'bounced')
  AND mta_node = ANY(%(nodes)s::text[]) AND zone = ANY(%(zones)s::text[])"""
# The newest of each domain, one step down the index of domains in the order of time.
PROVIDERS = """SELECT wanted.domain, newest.provider
FROM unnest(%(domains)s::text[]) AS wanted (domain)
CROSS JOIN LATERAL (
  SELECT provider FROM email_events
  WHERE to_domain = wanted.domain AND occurred_at > %(since)s::timestamptz
    AND provider IS NOT NULL
  ORDER BY occurred_at DESC LIMIT 1
) AS newest"""


def zones_tried(
    nodes: Sequence[str], zones: Sequence[str], since: datetime, now: datetime
) -> dict[str, set[str]]:
    """Return the zones in which each node tried a delivery in (since, now], by events and by
    ZoneMTA's counters."""
    if not nodes or not zones:
        return {}
    values = {"nodes": list(nodes), "zones": list(zones), "since": since, "now": now}
    tried: dict[str, set[str]] = {node: set() for node in nodes}
    for node, zone in fetch_rows(BY_EVENTS, values):
        tried[node].add(zone)
    for node, newest, started, before, started_before in fetch_rows(
        COUNTERS, values | {"span": now - since}
    ):
        earlier = _by_zone(before) if started == started_before else {}
        tried[node] |= {
            zone for zone, count in _by_zone(newest).items() if count > earlier.get(zone, 0)
        }
    return tried


def providers_of(domains: Sequence[str], now: datetime) -> dict[str, str]:
    """Return who operates the servers of each domain, of those to which mail was tried."""
    values = {"domains": list(domains), "since": now - PROVIDERS_WITHIN}
    return dict(fetch_rows(PROVIDERS, values)) if domains else {}


def _by_zone(deliveries: str | list[dict[str, Any]] | None) -> dict[str, int]:
    rows = json.loads(deliveries) if isinstance(deliveries, str) else deliveries or []
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["zone"]] = counts.get(row["zone"], 0) + row["count"]
    return counts
