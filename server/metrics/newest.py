"""The newest samples: of every node for a list, of all kinds for one node."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from server.metrics import catalogue
from server.metrics.models import SampleBase, SystemSample
from server.timescale.rows import fetch_rows

# One step down the unique index (node, time) for each node, however many samples there are.
NEWEST_SYSTEM = """SELECT newest.* FROM nodes_node AS n
CROSS JOIN LATERAL (
  SELECT * FROM metrics_system AS s
  WHERE s.node_id = n.id AND s.time > %(since)s AND s.time <= %(now)s
  ORDER BY s.time DESC LIMIT 1
) AS newest
WHERE %(node)s::bigint IS NULL OR n.id = %(node)s"""
#: Kind → its table, of those with one row a sample.
TABLES = {
    kind.name: kind.table
    for kind in catalogue.METRICS
    if not kind.dimensions and kind is not catalogue.SYSTEM
} | {"queue": catalogue.MAIL_QUEUE.table}
# What never took connections here is a default that this node does not use. Of a day's level: the
# samples themselves would be millions of rows where the answer is no.
_WAS_OPEN = f"""EXISTS (SELECT FROM {catalogue.SERVICE.table}_daily AS seen
  WHERE seen.node_id = t.node_id AND seen.service = t.service AND seen.is_open_max > 0
  AND seen.bucket > %(opened_after)s)"""
#: Part of each system sample, its table, and what is said beside its row: one row for each program,
#: and for each port.
PARTS = (
    ("processes", catalogue.PROCESS.table, "'{}'"),
    (
        "ports",
        catalogue.SERVICE.table,
        f"jsonb_build_object('was_open', t.is_open OR {_WAS_OPEN})",
    ),
)
_IN_TIME = "node_id = %(node)s AND time > %(since)s AND time <= %(now)s"
_NEWEST_OF_ALL = " UNION ALL ".join(
    [
        f"(SELECT '{kind}', to_jsonb(t)::text FROM {table} AS t WHERE {_IN_TIME}"  # noqa: S608
        " ORDER BY time DESC LIMIT 1)"
        for kind, table in TABLES.items()
    ]
    + [
        f"(SELECT '{part}', (to_jsonb(t) || {more})::text FROM {table} AS t"  # noqa: S608
        f" WHERE {_IN_TIME} AND time = (SELECT max(time) FROM {table} WHERE {_IN_TIME}))"
        for part, table, more in PARTS
    ]
)
#: Older samples do not describe a node of now, however wrong its clock may be.
STATE_SPAN = timedelta(minutes=15)
# Programs and ports are parts of a system sample, and have its time. What is restarted is away for
# a moment: only what two samples say is so.
_OF_BOTH = "node_id = n.id AND time > %(since)s AND time <= %(until)s AND time = ANY(s.times)"
_NEWEST_STATES = f"""SELECT n.name, n.role, n.clock_ahead_ms,
  s.disk_used_percent, coalesce(s.file_systems, '[]')::text,
  (SELECT coalesce(jsonb_object_agg(process, status), '{{}}')::text FROM (
    SELECT process, (array_agg(status ORDER BY time DESC))[1] AS status
    FROM {catalogue.PROCESS.table} WHERE {_OF_BOTH}
    GROUP BY process HAVING count(*) = 2 AND NOT bool_or(status = 'running')) AS programs),
  ARRAY(SELECT service FROM {catalogue.SERVICE.table} AS t WHERE {_OF_BOTH}
    GROUP BY node_id, service
    HAVING count(*) = 2 AND NOT bool_or(is_open) AND {_WAS_OPEN})
FROM nodes_node AS n CROSS JOIN LATERAL (
  SELECT array_agg(time) AS times,
    (array_agg(disk_used_percent ORDER BY time DESC))[1] AS disk_used_percent,
    (array_agg(file_systems ORDER BY time DESC))[1] AS file_systems
  FROM (SELECT time, disk_used_percent, file_systems FROM metrics_system
    WHERE node_id = n.id AND time > %(since)s AND time <= %(until)s
    ORDER BY time DESC LIMIT 2) AS both_samples
) AS s
WHERE n.retired_at IS NULL AND NOT n.in_maintenance AND n.last_seen_at >= %(seen_after)s
ORDER BY n.name"""  # noqa: S608 (names of the declaration)
_FREE_BY_HOUR = """SELECT time_bucket('1 hour', time) AS hour, avg(disk_free_bytes)::float
FROM metrics_system WHERE node_id = %(node)s AND time > %(since)s AND time <= %(now)s
GROUP BY 1 ORDER BY 1"""
# Of one file system: as a column only the root's is stored.
_FREE_OF_POINT_BY_HOUR = """SELECT hour, avg(free)::float FROM (
  SELECT time_bucket('1 hour', time) AS hour, (jsonb_path_query_first(file_systems,
    '$[*] ? (@.mount_point == $point).free_bytes', %(point)s::jsonb) #>> '{}')::float AS free
  FROM metrics_system WHERE node_id = %(node)s AND time > %(since)s AND time <= %(now)s
) AS readings WHERE free IS NOT NULL GROUP BY 1 ORDER BY 1"""
ROOT = "/"


def newest_system(
    since: datetime, now: datetime, *, node_id: int | None = None
) -> dict[int, SampleBase]:
    """Return the newest sample of each node in (since, now] by the node's id; or of one node.

    What lies in the future is a wrong clock's; it would hide what came since.
    """
    values = {"since": since, "now": now, "node": node_id}
    return {
        sample.node_id: sample
        for sample in SystemSample._default_manager.raw(NEWEST_SYSTEM, values)
    }


@dataclass(frozen=True)
class NodeState:
    """What the two newest samples of a node say of it. `programs`: those that do not run, and their
    status; `closed`: services that took connections and take none. Unknown is None, or absent."""

    name: str
    role: str
    clock_ahead_ms: int | None
    disk_used_percent: float | None
    file_systems: list[dict[str, Any]]
    programs: dict[str, str]
    closed: list[str]


def newest_states(now: datetime, *, seen_after: datetime) -> list[NodeState]:
    """Return the states of the nodes that are watched and were seen since `seen_after`."""
    span = {
        "since": now - STATE_SPAN,
        "until": now + STATE_SPAN,
        "seen_after": seen_after,
        "opened_after": _oldest_kept(now),
    }
    rows = fetch_rows(_NEWEST_STATES, span)
    return [
        NodeState(name, role, ahead, disk, json.loads(mounts), json.loads(programs), closed)
        for name, role, ahead, disk, mounts, programs, closed in rows
    ]


def newest_of_all(node_id: int, since: datetime, now: datetime) -> dict[str, list[dict[str, Any]]]:
    """Return the newest rows of each kind and part in (since, now] of one node, in one query.

    As JSON: times are texts in it. A kind of which nothing came is not there. `was_open` of a port:
    whether it ever took connections, as far as samples are kept.
    """
    values: dict[str, Any] = {
        "node": node_id,
        "since": since,
        "now": now,
        "opened_after": _oldest_kept(now),
    }
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST_OF_ALL, values)
        rows: dict[str, list[dict[str, Any]]] = {}
        for kind, row in cursor.fetchall():
            rows.setdefault(kind, []).append(json.loads(row))
    return rows


def _oldest_kept(now: datetime) -> datetime:
    return now - timedelta(days=settings.METRICS_RETENTION_DAYS)


def disk_free_by_hour(
    node_id: int, since: datetime, now: datetime, *, mount_point: str = ROOT
) -> list[tuple[datetime, float]]:
    """Return the mean free bytes of a file system in each hour of (since, now] with readings."""
    point = json.dumps({"point": mount_point})
    values: dict[str, Any] = {"node": node_id, "since": since, "now": now, "point": point}
    with connection.cursor() as cursor:
        cursor.execute(_FREE_BY_HOUR if mount_point == ROOT else _FREE_OF_POINT_BY_HOUR, values)
        return [(hour, free) for hour, free in cursor.fetchall()]
