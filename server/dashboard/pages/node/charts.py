"""Which charts a node's page draws of each kind of samples: one declaration. Pure.

Readings are named as the read API answers them: `*_per_s` is what a counter grew by in a second.
"""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Line:
    """One line of a chart. Strokes differ, so that colour never speaks alone."""

    reading: str
    name: str
    colour: str = "series-1"
    stroke: str = "solid"


@dataclass(frozen=True)
class Chart:
    """One chart. `unit`: percent, bytes, bytes_s, per_s, count, ms, s or load."""

    id: str
    title: str
    unit: str
    lines: tuple[Line, ...]
    top: float | None = None


BLUE, PLAIN, QUIET = "series-1", "series-2", "quiet"
GOOD, WAIT, BAD = "delivered", "deferred", "bounced"

CHARTS: dict[str, tuple[Chart, ...]] = {
    "system": (
        Chart(
            "cpu",
            "CPU",
            "percent",
            (
                Line("cpu_percent", "mean of all cores"),
                Line("cpu_percent_max", "highest", QUIET, "dotted"),
            ),
            top=100,
        ),
        Chart("memory", "Memory", "percent", (Line("ram_used_percent", "used"),), top=100),
        Chart("disk", "Disk", "percent", (Line("disk_used_percent", "used"),), top=100),
        Chart(
            "load",
            "Load",
            "load",
            (
                Line("load_1m", "1 min"),
                Line("load_5m", "5 min", PLAIN, "dashed"),
                Line("load_15m", "15 min", QUIET, "dotted"),
            ),
        ),
        Chart(
            "network",
            "Network",
            "bytes_s",
            (Line("net_rx_bytes_sec", "in"), Line("net_tx_bytes_sec", "out", PLAIN, "dashed")),
        ),
        Chart(
            "disk-io",
            "Disk traffic",
            "bytes_s",
            (
                Line("disk_read_bytes_sec", "read"),
                Line("disk_write_bytes_sec", "written", PLAIN, "dashed"),
            ),
        ),
        Chart(
            "tcp",
            "TCP connections",
            "count",
            (
                Line("tcp_established", "established"),
                Line("tcp_time_wait", "time-wait", QUIET, "dashed"),
            ),
        ),
        Chart("open-files", "Open files", "count", (Line("open_files", "open"),)),
    ),
    "zonemta": (
        Chart(
            "zonemta-deliveries",
            "Deliveries, by ZoneMTA's own count",
            "per_s",
            (
                Line("delivered_per_s", "delivered", GOOD),
                Line("deferred_per_s", "deferred", WAIT, "dashed"),
                Line("rejected_per_s", "rejected", BAD, "dotted"),
            ),
        ),
    ),
    "queue": (
        Chart(
            "queue-share",
            "Recipients waiting",
            "count",
            (
                Line("own_count", "its own share", WAIT),
                Line("unassigned_count", "of no node yet", PLAIN, "dotted"),
                Line("waiting_count", "the whole queue", QUIET, "dashed"),
            ),
        ),
    ),
    "haraka": (
        Chart(
            "haraka-recipients",
            "Recipients, by Haraka's own count",
            "per_s",
            (
                Line("recipients_delivered_per_s", "delivered", GOOD),
                Line("recipients_deferred_per_s", "deferred", WAIT, "dashed"),
                Line("recipients_rejected_per_s", "rejected", BAD, "dotted"),
                Line("recipients_greylisted_per_s", "greylisted", QUIET, "dashed"),
            ),
        ),
        Chart(
            "haraka-connections",
            "Connections open",
            "count",
            (Line("connections_current_count", "open"),),
        ),
        Chart(
            "haraka-memory",
            "Memory of its processes",
            "bytes",
            (Line("memory_rss_bytes", "resident"),),
        ),
    ),
    "rspamd": (
        Chart(
            "rspamd-actions",
            "Messages by action",
            "per_s",
            (
                Line("action_no_action_per_s", "no action", GOOD),
                Line("action_add_header_per_s", "add header", WAIT, "dashed"),
                Line("action_greylist_per_s", "greylist", QUIET, "dotted"),
                Line("action_soft_reject_per_s", "soft reject", PLAIN, "dotted"),
                Line("action_reject_per_s", "reject", BAD),
            ),
        ),
        Chart(
            "rspamd-time",
            "Scan time of the last 31 messages",
            "s",
            (
                Line("scan_time_average_s", "mean"),
                Line("scan_time_max_s", "longest", QUIET, "dotted"),
            ),
        ),
    ),
    "mongodb": (
        Chart(
            "mongodb-operations",
            "Operations",
            "per_s",
            (
                Line("query_per_s", "queries"),
                Line("insert_per_s", "inserts", GOOD, "dashed"),
                Line("update_per_s", "updates", PLAIN, "dotted"),
                Line("delete_per_s", "deletes", BAD, "dotted"),
                Line("command_per_s", "commands", QUIET, "dashed"),
            ),
        ),
        Chart(
            "mongodb-connections",
            "Connections open",
            "count",
            (Line("connections_current_count", "open"),),
        ),
        Chart(
            "mongodb-cache",
            "Cache",
            "bytes",
            (Line("cache_used_bytes", "used"), Line("cache_dirty_bytes", "dirty", WAIT, "dashed")),
        ),
        Chart("mongodb-lag", "Behind the primary", "s", (Line("replication_lag_s", "lag", WAIT),)),
        Chart("mongodb-oplog", "Time the oplog spans", "s", (Line("oplog_window_s", "window"),)),
    ),
    "redis": (
        Chart("redis-operations", "Operations", "per_s", (Line("operations_per_s", "operations"),)),
        Chart(
            "redis-memory",
            "Memory",
            "bytes",
            (
                Line("used_memory_bytes", "used"),
                Line("used_memory_rss_bytes", "resident", QUIET, "dashed"),
            ),
        ),
        Chart(
            "redis-clients",
            "Clients",
            "count",
            (
                Line("connected_clients_count", "connected"),
                Line("blocked_clients_count", "blocked", WAIT, "dashed"),
            ),
        ),
        Chart("redis-keys", "Keys", "count", (Line("keys_count", "keys"),)),
    ),
    "wildduck": (
        Chart(
            "wildduck-logins",
            "Logins",
            "per_s",
            (
                Line("auth_success_per_s", "let in", GOOD),
                Line("auth_failure_per_s", "refused", BAD, "dashed"),
            ),
        ),
        Chart(
            "wildduck-connections",
            "Connections open",
            "count",
            (Line("connections_count", "open"),),
        ),
        Chart("wildduck-users", "Users", "count", (Line("users_count", "users"),)),
        Chart(
            "wildduck-storage", "Size of the mail", "bytes", (Line("storage_used_bytes", "used"),)
        ),
    ),
    "agent": (
        Chart(
            "agent-spool",
            "Events waiting in the spool",
            "count",
            (Line("spooled_events_count", "waiting", WAIT),),
        ),
        Chart("agent-sends", "95 % of sends within", "ms", (Line("send_p95_ms", "p95"),)),
        Chart(
            "agent-memory", "Memory of the agent", "bytes", (Line("memory_rss_bytes", "resident"),)
        ),
        Chart(
            "agent-cpu", "CPU of the agent, of one core", "percent", (Line("cpu_percent", "used"),)
        ),
    ),
}
#: What a heat map or comparison may be of: reading → its name, unit, and the top of its scale.
COMPARED: dict[str, tuple[str, str, float | None]] = {
    "cpu_percent": ("CPU", "percent", 100.0),
    "ram_used_percent": ("Memory", "percent", 100.0),
    "disk_used_percent": ("Disk", "percent", 100.0),
    "load_1m": ("Load", "load", None),
    "net_rx_bytes_sec": ("Network in", "bytes_s", None),
    "net_tx_bytes_sec": ("Network out", "bytes_s", None),
    "disk_read_bytes_sec": ("Disk read", "bytes_s", None),
    "disk_write_bytes_sec": ("Disk written", "bytes_s", None),
    "tcp_established": ("TCP connections", "count", None),
    "open_files": ("Open files", "count", None),
}


def of_kind(kind: str) -> list[dict[str, Any]]:
    """Return the charts of a kind as the page's script takes them."""
    return [asdict(chart) for chart in CHARTS.get(kind, ())]
