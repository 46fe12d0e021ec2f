"""The one declaration of the samples' levels: what each table is measured by, and their widths.

Tables of levels, the writer's statement, continuous aggregates and queries are all made from it. A
gauge is a reading that stands for itself; a level keeps its sum, its count and its maximum, so that
mean and maximum are right over any time. A counter only grows until its program starts anew; a
level keeps the last of a bucket, and `last_at`, when that was: what it grew by is computed from one
bucket to the next when it is asked for. Both merge in any order. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from server.rollups.levels import DAILY, FIVE_MINUTES, ONE_HOUR, Level

#: Narrowest first; each is made of the one before it, the first of the samples themselves.
WIDTHS = (FIVE_MINUTES, ONE_HOUR, DAILY)


@dataclass(frozen=True)
class Gauge:
    """A reading: its name, and the expression over a sample's columns where it is no column."""

    name: str
    of: str = ""

    @property
    def expression(self) -> str:
        """The reading as a float."""
        return f"({self.of or self.name})::float"


@dataclass(frozen=True)
class SampleKind:
    """One table of samples. `dimensions`: columns that tell its series apart, beside the node.

    `apart`: numbers that no level keeps, because neither mean nor growth of them says anything.
    """

    name: str
    table: str
    gauges: tuple[Gauge, ...]
    counters: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that tell the series apart."""
        return ("node_id", *self.dimensions)

    @property
    def levels(self) -> "tuple[SampleLevel, ...]":
        """The levels, narrowest first."""
        return tuple(SampleLevel(self, width) for width in WIDTHS)


@dataclass(frozen=True)
class SampleLevel:
    """One level of one kind; `of` tells its width and how wide a chunk is."""

    kind: SampleKind
    of: Level

    @property
    def table(self) -> str:
        """Its table: metrics_redis_5m, and the like."""
        return f"{self.kind.table}_{self.of.name}"

    @property
    def narrower(self) -> "SampleLevel | None":
        """The level this one is made of; None: the samples."""
        place = WIDTHS.index(self.of)
        return SampleLevel(self.kind, WIDTHS[place - 1]) if place else None


def rate_name(counter: str) -> str:
    """Return what the growth of a counter in a second is called."""
    return f"{counter.removesuffix('_total').removesuffix('_count')}_per_s"


def _names(names: str) -> tuple[str, ...]:
    return tuple(names.split())


def _gauges(names: str) -> tuple[Gauge, ...]:
    return tuple(Gauge(name) for name in _names(names))


def _flags(names: str) -> tuple[Gauge, ...]:
    """Return gauges of yes and no: their mean is how much of the time it was so."""
    return tuple(Gauge(name, f"{name}::int") for name in _names(names))


SYSTEM = SampleKind(
    "system",
    "metrics_system",
    _gauges(
        "cpu_percent ram_used_percent ram_used_bytes disk_used_percent disk_free_bytes"
        " disk_read_bytes_sec disk_write_bytes_sec net_rx_bytes_sec net_tx_bytes_sec"
        " load_1m load_5m load_15m tcp_established tcp_time_wait open_files"
    ),
    counters=("net_rx_errors", "net_tx_errors"),
    apart=("ram_total_bytes", "uptime_seconds"),
)
PROCESS = SampleKind(
    "process",
    "metrics_process",
    (Gauge("is_running", "(status = 'running')::int"), *_gauges("memory_mb cpu_percent")),
    dimensions=("process",),
    apart=("pid", "processes_count"),
)
SERVICE = SampleKind("service", "metrics_service", _flags("is_open"), dimensions=("service",))
ZONEMTA = SampleKind(
    "zonemta",
    "metrics_zonemta",
    # How many addresses ZoneMTA keeps away from some destination just now.
    _gauges("blacklisted_count"),
    counters=_names(
        "delivered_total rejected_total deferred_total unknown_total messages_taken_count"
        " messages_failed_count bounces_made_count dropped_count connections_reused_count"
    ),
    apart=("started_at_s",),
)
HARAKA = SampleKind(
    "haraka",
    "metrics_haraka",
    _gauges("processes_count connections_current_count memory_rss_bytes"),
    counters=_names(
        "connections_total transactions_total recipients_delivered_total"
        " recipients_rejected_total recipients_greylisted_total recipients_deferred_total"
        " plugin_dropped_total"
    ),
    apart=("uptime_s",),
)
WILDDUCK = SampleKind(
    "wildduck",
    "metrics_wildduck",
    _flags("is_healthy")
    + _gauges(
        "users_count messages_count storage_used_bytes quota_bytes"
        " users_over_quota_90_percent_count database_bytes connections_count services_down_count"
        " users_disabled_count memory_rss_bytes event_loop_lag_p99_ms"
    ),
    counters=_names("auth_success_total auth_failure_total auth_limited_total auth_error_total"),
    apart=("uptime_s",),
)
MONGODB = SampleKind(
    "mongodb",
    "metrics_mongodb",
    _gauges(
        "connections_current_count connections_available_count memory_resident_bytes"
        " cache_used_bytes cache_dirty_bytes cache_max_bytes queued_reads_count"
        " queued_writes_count replication_lag_s oplog_window_s oplog_bytes"
        " read_tickets_available_count write_tickets_available_count"
        " disk_used_bytes disk_total_bytes"
    ),
    counters=_names(
        "insert_total query_total update_total delete_total getmore_total command_total"
        " net_input_bytes_total net_output_bytes_total asserts_total page_faults_total"
        " connections_created_total"
    ),
    apart=("uptime_s",),
)
REDIS = SampleKind(
    "redis",
    "metrics_redis",
    _gauges(
        "connected_clients_count blocked_clients_count used_memory_bytes used_memory_rss_bytes"
        " maxmemory_bytes fragmentation_ratio keys_count operations_per_s replicas_count"
        " replication_lag_bytes clients_limit_count used_memory_peak_bytes rdb_changes_count"
        " master_link_down_s"
    )
    + _flags("rdb_last_save_ok aof_last_write_ok master_link_up is_loading"),
    counters=_names(
        "commands_total connections_total rejected_connections_total keyspace_hits_total"
        " keyspace_misses_total expired_keys_total evicted_keys_total"
        " net_input_bytes_total net_output_bytes_total error_replies_total"
    ),
    apart=("uptime_s",),
)
RSPAMD = SampleKind(
    "rspamd",
    "metrics_rspamd",
    _gauges("scan_time_average_s scan_time_max_s allocated_bytes fuzzy_hashes_count"),
    counters=_names(
        "scanned_total learned_total spam_total ham_total connections_total"
        " control_connections_total action_reject_total action_soft_reject_total"
        " action_rewrite_subject_total action_add_header_total action_greylist_total"
        " action_no_action_total"
    ),
    apart=("uptime_s",),
)
AGENT = SampleKind(
    "agent",
    "metrics_agent",
    _gauges(
        "memory_rss_bytes cpu_percent threads_count spooled_events_count spooled_samples_count"
        " spool_bytes spool_limit_bytes send_p95_ms clock_skew_ms"
    ),
    counters=_names(
        "dropped_events_total dropped_samples_total plugin_dropped_total"
        " refused_events_total sends_total send_failures_total"
    ),
    apart=("uptime_s",),
)
MAIL_QUEUE = SampleKind(
    "mail_queue",
    "mail_queue_snapshots",
    (
        Gauge("waiting_count", "active_count + deferred_count"),
        *_gauges("active_count deferred_count locked_count"),
        Gauge("oldest_age_s", "extract(epoch FROM time - oldest_created_at)"),
    ),
    dimensions=("database",),
    apart=("reasons_of_count", "destinations_of_count"),
)

#: What /metrics/{kind} answers, and the mail queue, which has an answer of its own.
METRICS = (
    SYSTEM, PROCESS, SERVICE, ZONEMTA, HARAKA, WILDDUCK, MONGODB, REDIS, RSPAMD, AGENT,
)  # fmt: skip
#: In the order in which a transaction writes them, so that two writers never wait in a circle.
KINDS = (*METRICS, MAIL_QUEUE)
BY_TABLE = {kind.table: kind for kind in KINDS}


def levels() -> Iterator[SampleLevel]:
    """Yield every level of every kind."""
    for kind in KINDS:
        yield from kind.levels
