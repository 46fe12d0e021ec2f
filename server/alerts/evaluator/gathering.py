"""Gathering of a snapshot: a fixed number of queries, however many nodes and rules there are."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from server.alerts.backlog import unstored
from server.alerts.blocks import effects
from server.alerts.blocks.models import Block
from server.alerts.conditions.parameters import MAX_DAYS_S
from server.alerts.evaluator.accounts import watch_accounts
from server.alerts.forecast import forecast_disk
from server.alerts.snapshot import SAMPLED, MailMinute, Resources, Sample, Snapshot, WatchedNode
from server.events.mapping import MAX_AHEAD
from server.ledger import queries as ledger
from server.mailqueues import queries as mailqueues
from server.mailqueues.accounting import count_once
from server.metrics import catalogue
from server.metrics.newest import newest_states
from server.nodes import freshness
from server.nodes.models import Node
from server.observability.backlog import Backlog
from server.rollups.levels import OTHER
from server.rollups.mail import failing_destinations
from server.timescale.rows import fetch_rows

#: Completeness is judged over this time, as the pages do.
LEDGER_SPAN = timedelta(hours=24)
#: The means of processor and memory are over this time.
MEAN_SPAN = timedelta(minutes=2)
#: The newest sample of a program is looked for in this time; agents sample every hour at least.
SAMPLE_SPAN = timedelta(hours=2)
#: So old a sample of a program may be whatever its interval: they come every half minute or minute.
FRESH_FOR_S = 180.0
MAIL_SPAN, ZONE_SPAN = timedelta(hours=1), timedelta(days=1)
#: Open blocks that are followed, the oldest of them.
MAX_BLOCKS = 500
#: The trend of a disk is over two days of hourly means, and looked at so often: it moves slowly.
TREND_SPAN, TREND_EVERY = timedelta(days=2), timedelta(minutes=10)
#: Kind → what of its newest sample is read.
COLUMNS: dict[str, tuple[str, ...]] = {
    "agent": ("spool_bytes", "spool_limit_bytes", "clock_skew_ms", "sources"),
    "mongodb": ("replica_set", "members", "oplog_window_s"),
    "redis": ("used_memory_bytes", "maxmemory_bytes"),
}
#: Kind → what is read beside its newest sample: the oplog's window a quarter of it before.
EXTRA = {
    "mongodb": f""",
  'oplog_before', (
    SELECT jsonb_build_array(extract(epoch FROM newest.time - b.time), b.oplog_window_s)
    FROM {catalogue.MONGODB.table} AS b
    WHERE b.node_id = newest.node_id AND b.oplog_window_s IS NOT NULL
      AND b.time <= newest.time
        - least(newest.oplog_window_s, %(month_s)s) / 4 * interval '1 second'
      AND b.time > newest.time - least(newest.oplog_window_s, %(month_s)s) * interval '1 second'
    ORDER BY b.time DESC LIMIT 1
  )"""  # noqa: S608 (a name of the declaration)
}
_TABLES = {kind.name: kind.table for kind in catalogue.METRICS}
_OF_NODE = "node_id = n.id AND time > %(since)s AND time <= %(until)s"
_NEWEST = " UNION ALL ".join(
    f"""SELECT n.name, '{kind}', newest.time, jsonb_build_object(
  {", ".join(f"'{name}', {name}" for name in COLUMNS[kind])}{EXTRA.get(kind, "")}
)::text, t.times
FROM nodes_node AS n CROSS JOIN LATERAL (
  SELECT * FROM {_TABLES[kind]} WHERE {_OF_NODE} ORDER BY time DESC LIMIT 1
) AS newest CROSS JOIN LATERAL (
  SELECT array_agg(time) AS times FROM (
    SELECT time FROM {_TABLES[kind]} WHERE {_OF_NODE} ORDER BY time DESC
    LIMIT {freshness.READINGS}
  ) AS few
) AS t
WHERE n.retired_at IS NULL"""  # noqa: S608 (names of the declaration)
    for kind in SAMPLED
)
_RESOURCES = f"""SELECT n.name, s.cpu, s.memory, s.disk, coalesce(s.file_systems, '[]')::text
FROM nodes_node AS n CROSS JOIN LATERAL (
  SELECT count(*) AS samples, avg(cpu_percent)::float AS cpu,
    avg(ram_used_percent)::float AS memory,
    (array_agg(disk_used_percent ORDER BY time DESC))[1] AS disk,
    (array_agg(file_systems ORDER BY time DESC))[1] AS file_systems
  FROM metrics_system WHERE {_OF_NODE}
) AS s
WHERE n.retired_at IS NULL AND s.samples > 0"""  # noqa: S608
OUTCOMES_OF_LEVEL = """SELECT bucket,
  coalesce(sum(events) FILTER (WHERE event_type = 'delivered'), 0)::bigint,
  coalesce(sum(events) FILTER (WHERE event_type = 'bounced'), 0)::bigint,
  coalesce(sum(events) FILTER (WHERE event_type = 'deferred'), 0)::bigint,
  coalesce(sum(delivery_ms_sum), 0)::bigint, coalesce(sum(delivery_count), 0)::bigint
FROM {level}
WHERE dimension = 'all' AND direction = 'outbound' AND bucket > %(since)s AND bucket < %(until)s
  AND event_type IN ('delivered', 'bounced', 'deferred')
GROUP BY 1"""
_MINUTES = OUTCOMES_OF_LEVEL.format(level="email_stats_1m")
# When the bucket of the last outcome ends: up to so much later it may have been.
_ZONES = f"""SELECT value, max(bucket) + interval '5 minutes' FROM email_stats_5m
WHERE dimension = 'zone' AND direction = 'outbound' AND value <> '{OTHER}'
  AND bucket > %(since)s AND bucket < %(until)s
  AND event_type IN ('delivered', 'bounced', 'deferred')
GROUP BY 1 LIMIT 1000"""  # noqa: S608
_FREE_BY_HOUR = """SELECT n.name, h.bucket, h.disk_free_bytes_sum / h.disk_free_bytes_count
FROM nodes_node AS n JOIN metrics_system_1h AS h ON h.node_id = n.id
WHERE n.retired_at IS NULL AND h.bucket > %(since)s AND h.bucket <= %(until)s
  AND h.disk_free_bytes_count > 0
ORDER BY 1, 2"""
# Of an app above this one, by the published name of its table.
_DEAD_LETTERS = "SELECT count(*) FROM ingest_deadletter"

_trends: dict[str, Any] = {}


def take_snapshot(
    now: datetime, *, backlog: Backlog, resumed_at: datetime | None = None
) -> Snapshot:
    """Return the readings of this moment, by at most nineteen queries. Raises django.db.Error.

    `backlog`: as it was before them. What waited then may be stored meanwhile, not the other way.
    """
    offline_after = timedelta(seconds=settings.NODE_OFFLINE_AFTER_S) + unstored(backlog, now)
    queues = count_once(mailqueues.newest_readings(now), now)
    blocked = effects.read_blocked(now, since=now - MAIL_SPAN)
    accounts, login_failures = watch_accounts(now)
    return Snapshot(
        now,
        resumed_at=resumed_at,
        backlog=backlog,
        nodes=_read_nodes(),
        states=newest_states(now, seen_after=now - offline_after),
        resources=_read_resources(now),
        full_in=_read_trends(now),
        samples=_read_samples(now),
        queues=queues,
        destinations=failing_destinations.destinations(now),
        epochs=ledger.completeness(now - LEDGER_SPAN),
        minutes=[MailMinute(*row) for row in fetch_rows(_MINUTES, _span(now, MAIL_SPAN))],
        zones=dict(fetch_rows(_ZONES, _span(now, ZONE_SPAN))),
        blocks=list(Block.objects.filter(ended_at=None).order_by("started_at")[:MAX_BLOCKS]),
        blocked=blocked,
        details_until=effects.find_details_until(blocked, now),
        providers=effects.read_providers(blocked, queues, now),
        dead_letters=fetch_rows(_DEAD_LETTERS)[0][0],
        accounts=accounts,
        login_failures=login_failures,
    )


def _read_nodes() -> dict[str, WatchedNode]:
    nodes = Node.objects.filter(retired_at=None).only(
        "name", "role", "last_seen_at", "received_at", "in_maintenance", "clock_ahead_ms"
    )
    return {
        node.name: WatchedNode(
            node.name, node.role, node.contact_at, node.in_maintenance, node.clock_ahead_ms
        )
        for node in nodes
    }


def _read_resources(now: datetime) -> dict[str, Resources]:
    rows = fetch_rows(_RESOURCES, _span(now, MEAN_SPAN))
    return {
        name: Resources(cpu, memory, disk, json.loads(file_systems))
        for name, cpu, memory, disk, file_systems in rows
    }


def _read_samples(now: datetime) -> dict[str, dict[str, Sample]]:
    samples: dict[str, dict[str, Sample]] = {kind: {} for kind in SAMPLED}
    values = {**_span(now, SAMPLE_SPAN), "month_s": MAX_DAYS_S}
    for name, kind, at, row, times in fetch_rows(_NEWEST, values):
        stale_after_s = freshness.stale_after_s(times, at_least_s=FRESH_FOR_S)
        is_fresh = (now - at).total_seconds() <= stale_after_s
        samples[kind][name] = Sample(at, json.loads(row), is_fresh)
    return samples


def _read_trends(now: datetime) -> Mapping[str, timedelta]:
    """Return how long until each root disk is full, at most TREND_EVERY old: the slopes of a
    hundred nodes take as long as all else."""
    at = _trends.get("at")
    if at is None or not timedelta() <= now - at < TREND_EVERY:
        readings: dict[str, list[tuple[datetime, float]]] = {}
        for name, hour, free in fetch_rows(_FREE_BY_HOUR, _span(now, TREND_SPAN)):
            readings.setdefault(name, []).append((hour, free))
        forecasts = {name: forecast_disk(means).full_in for name, means in readings.items()}
        full_in = {name: left for name, left in forecasts.items() if left is not None}
        _trends.update(at=now, full_in=full_in)
    trends: Mapping[str, timedelta] = _trends["full_in"]
    return trends


def _span(now: datetime, length: timedelta) -> dict[str, datetime]:
    return {"since": now - length, "until": now + MAX_AHEAD}
