"""Payloads of samples, the server's half of the contract. Names are the published ones.

Each of a program's readings may be missing or null: versions differ in what they report, and agents
and servers are upgraded on different days. Null is unknown, never 0. Unknown keys are ignored.
"""

from typing import Annotated, Literal, cast

import msgspec

from server.metrics.mail_queue import MailQueue
from server.metrics.measures import (
    AwareTime,
    Count,
    Counter,
    Gauge,
    Name,
    NodeName,
    Offset,
    Percent,
    Rate,
    Shift,
    Text,
    Total,
    Untracked,
)


class Sample(msgspec.Struct, frozen=True):
    """Readings of one source of a node at one time."""

    node_id: NodeName
    timestamp: AwareTime


class Core(msgspec.Struct, frozen=True):
    """One processor core."""

    core: Count
    percent: Percent


class FileSystem(msgspec.Struct, frozen=True):
    """One local file system. Inodes are null where it does not count them."""

    mount_point: Name
    type: Name
    total_bytes: Total
    free_bytes: Total
    used_percent: Percent
    inodes_free_count: Total | None = None
    inodes_used_percent: Percent | None = None


class System(msgspec.Struct, frozen=True):
    """The readings of one system sample. All but `file_systems` are sent, and null is unknown:
    rates are in the first one after a start, and what cannot be read. `disk_*`: of the root's file
    system and all disks; `file_systems`: null from agents before they named them."""

    cpu_percent: Gauge[Percent | None]
    cpu_cores: Annotated[list[Core], msgspec.Meta(max_length=4096)] | None
    ram_used_percent: Gauge[Percent | None]
    ram_used_bytes: Gauge[Total | None]
    ram_total_bytes: Untracked[Total | None]
    disk_used_percent: Gauge[Percent | None]
    disk_free_bytes: Gauge[Total | None]
    disk_read_bytes_sec: Gauge[Rate | None]
    disk_write_bytes_sec: Gauge[Rate | None]
    net_rx_bytes_sec: Gauge[Rate | None]
    net_tx_bytes_sec: Gauge[Rate | None]
    net_rx_errors: Counter[Total | None]
    net_tx_errors: Counter[Total | None]
    load_avg: tuple[Rate | None, Rate | None, Rate | None] | None
    tcp_established: Gauge[Count | None]
    tcp_time_wait: Gauge[Count | None]
    open_files: Gauge[Total | None]
    uptime_seconds: Untracked[Total | None]
    file_systems: Annotated[list[FileSystem], msgspec.Meta(max_length=100)] | None = None


class Process(msgspec.Struct, frozen=True):
    """One program with all its processes. `cpu_percent`: of one core, null when not known;
    `started_at`: when the first of them was."""

    status: Literal["running", "stopped", "not_found"]
    pid: Untracked[Total | None] = None
    memory_mb: Gauge[Rate | None] = None
    cpu_percent: Gauge[Rate | None] = None
    processes_count: Untracked[Total | None] = None
    started_at: AwareTime | None = None


class SystemSample(Sample, frozen=True):
    """A node's own state. `services`: whether a port takes connections, by "port_25" and such."""

    system: System
    processes: Annotated[dict[Name, Process], msgspec.Meta(max_length=100)] = {}
    services: Annotated[dict[Name, bool], msgspec.Meta(max_length=100)] = {}


class ZoneDeliveries(msgspec.Struct, frozen=True):
    """Attempts of one zone that ended in one way since ZoneMTA started, notifications included."""

    zone: Name
    status: Name
    count: Total


class ZoneMta(msgspec.Struct, frozen=True):
    """ZoneMTA's own counters since `started_at_s` (seconds since 1970)."""

    started_at_s: Untracked[Total | None] = None
    deliveries: Annotated[list[ZoneDeliveries], msgspec.Meta(max_length=1000)] = []
    messages_taken_count: Counter[Total | None] = None
    messages_failed_count: Counter[Total | None] = None
    bounces_made_count: Counter[Total | None] = None
    dropped_count: Counter[Total | None] = None
    blacklisted_count: Gauge[Total | None] = None
    connections_reused_count: Counter[Total | None] = None


class ZoneMtaSample(Sample, frozen=True):
    """ZoneMTA's counters and the mail queue; either may be null."""

    zonemta: ZoneMta | None
    queue: MailQueue | None


class Haraka(msgspec.Struct, frozen=True):
    """Haraka's counters, of all its processes."""

    version: Name | None = None
    processes_count: Gauge[Total | None] = None
    uptime_s: Untracked[Rate | None] = None
    connections_total: Counter[Total | None] = None
    connections_current_count: Gauge[Total | None] = None
    transactions_total: Counter[Total | None] = None
    recipients_delivered_total: Counter[Total | None] = None
    recipients_rejected_total: Counter[Total | None] = None
    recipients_greylisted_total: Counter[Total | None] = None
    recipients_deferred_total: Counter[Total | None] = None
    memory_rss_bytes: Gauge[Total | None] = None
    plugin_dropped_total: Counter[Total | None] = None


class Quota(msgspec.Struct, frozen=True):
    """How much of a quota one user has used. `allowed_bytes` 0: no limit."""

    username: Name
    used_bytes: Total
    allowed_bytes: Total


class QuotaRotation(msgspec.Struct, frozen=True):
    """The quotas of all users by turns: those of this sample, when the round they belong to began,
    and when the last whole round ended."""

    quotas: Annotated[list[Quota], msgspec.Meta(max_length=1000)]
    round_began_at: AwareTime
    round_ended_at: AwareTime | None = None


class WildDuckService(msgspec.Struct, frozen=True):
    """Whether one of WildDuck's services runs."""

    service: Name
    is_up: bool


class ProtocolConnections(msgspec.Struct, frozen=True):
    """Open connections of one protocol."""

    protocol: Name
    count: Total


class WildDuck(msgspec.Struct, frozen=True):
    """WildDuck's users and services. `source`: where the totals were read, at `counted_at`."""

    version: Name | None = None
    source: Name | None = None
    is_healthy: Gauge[bool | None] = None
    users_count: Gauge[Total | None] = None
    messages_count: Gauge[Total | None] = None
    storage_used_bytes: Gauge[Total | None] = None
    quota_bytes: Gauge[Total | None] = None
    users_over_quota_90_percent_count: Gauge[Total | None] = None
    database_bytes: Gauge[Total | None] = None
    counted_at: AwareTime | None = None
    users_disabled_count: Gauge[Total | None] = None
    quotas: Annotated[list[Quota], msgspec.Meta(max_length=1000)] | None = None
    quota_rotation: QuotaRotation | None = None
    services: Annotated[list[WildDuckService], msgspec.Meta(max_length=100)] | None = None
    connections: Annotated[list[ProtocolConnections], msgspec.Meta(max_length=100)] | None = None
    auth_success_total: Counter[Total | None] = None
    auth_failure_total: Counter[Total | None] = None
    auth_limited_total: Counter[Total | None] = None
    auth_error_total: Counter[Total | None] = None
    uptime_s: Untracked[Rate | None] = None
    memory_rss_bytes: Gauge[Total | None] = None
    event_loop_lag_p99_ms: Gauge[Rate | None] = None


class ReplicaMember(msgspec.Struct, frozen=True):
    """One member of the replica set."""

    name: Name
    state: Name
    is_healthy: bool | None = None
    lag_s: Shift | None = None


class MongoDatabase(msgspec.Struct, frozen=True):
    """The size of one database."""

    name: Name
    collections_count: Total | None = None
    objects_count: Total | None = None
    data_bytes: Total | None = None
    storage_bytes: Total | None = None
    index_bytes: Total | None = None


class MongoDb(msgspec.Struct, frozen=True):
    """MongoDB's state, of the member the agent reads. `refused`: commands its user may not run."""

    version: Name | None = None
    uptime_s: Untracked[Rate | None] = None
    connections_current_count: Gauge[Total | None] = None
    connections_available_count: Gauge[Total | None] = None
    insert_total: Counter[Total | None] = None
    query_total: Counter[Total | None] = None
    update_total: Counter[Total | None] = None
    delete_total: Counter[Total | None] = None
    getmore_total: Counter[Total | None] = None
    command_total: Counter[Total | None] = None
    memory_resident_bytes: Gauge[Total | None] = None
    cache_used_bytes: Gauge[Total | None] = None
    cache_dirty_bytes: Gauge[Total | None] = None
    cache_max_bytes: Gauge[Total | None] = None
    queued_reads_count: Gauge[Total | None] = None
    queued_writes_count: Gauge[Total | None] = None
    net_input_bytes_total: Counter[Total | None] = None
    net_output_bytes_total: Counter[Total | None] = None
    asserts_total: Counter[Total | None] = None
    page_faults_total: Counter[Total | None] = None
    replica_set: Name | None = None
    member_state: Name | None = None
    replication_lag_s: Gauge[Shift | None] = None
    members: Annotated[list[ReplicaMember], msgspec.Meta(max_length=100)] | None = None
    oplog_window_s: Gauge[Rate | None] = None
    oplog_bytes: Gauge[Total | None] = None
    connections_created_total: Counter[Total | None] = None
    read_tickets_available_count: Gauge[Total | None] = None
    write_tickets_available_count: Gauge[Total | None] = None
    primary: Name | None = None
    disk_used_bytes: Gauge[Total | None] = None
    disk_total_bytes: Gauge[Total | None] = None
    refused: Annotated[list[Text], msgspec.Meta(max_length=100)] | None = None
    databases: Annotated[list[MongoDatabase], msgspec.Meta(max_length=1000)] | None = None


class Redis(msgspec.Struct, frozen=True):
    """Redis's INFO. `maxmemory_bytes` 0: no bound."""

    version: Name | None = None
    role: Name | None = None
    uptime_s: Untracked[Rate | None] = None
    connected_clients_count: Gauge[Total | None] = None
    blocked_clients_count: Gauge[Total | None] = None
    used_memory_bytes: Gauge[Total | None] = None
    used_memory_rss_bytes: Gauge[Total | None] = None
    maxmemory_bytes: Gauge[Total | None] = None
    fragmentation_ratio: Gauge[Rate | None] = None
    keys_count: Gauge[Total | None] = None
    operations_per_s: Gauge[Rate | None] = None
    commands_total: Counter[Total | None] = None
    connections_total: Counter[Total | None] = None
    rejected_connections_total: Counter[Total | None] = None
    keyspace_hits_total: Counter[Total | None] = None
    keyspace_misses_total: Counter[Total | None] = None
    expired_keys_total: Counter[Total | None] = None
    evicted_keys_total: Counter[Total | None] = None
    net_input_bytes_total: Counter[Total | None] = None
    net_output_bytes_total: Counter[Total | None] = None
    rdb_last_save_at: AwareTime | None = None
    rdb_last_save_ok: Gauge[bool | None] = None
    aof_enabled: bool | None = None
    aof_last_write_ok: Gauge[bool | None] = None
    replicas_count: Gauge[Total | None] = None
    master_link_up: Gauge[bool | None] = None
    replication_lag_bytes: Gauge[Offset | None] = None
    clients_limit_count: Gauge[Total | None] = None
    used_memory_peak_bytes: Gauge[Total | None] = None
    maxmemory_policy: Name | None = None
    error_replies_total: Counter[Total | None] = None
    rdb_changes_count: Gauge[Total | None] = None
    is_loading: Gauge[bool | None] = None
    master_link_down_s: Gauge[Rate | None] = None


class RspamdAction(msgspec.Struct, frozen=True):
    """How many messages ended in one action."""

    action: Name
    count: Total


class Rspamd(msgspec.Struct, frozen=True):
    """Rspamd's counters, which outlive its restarts. Greylisted mail counts as ham."""

    version: Name | None = None
    uptime_s: Untracked[Rate | None] = None
    scanned_total: Counter[Total | None] = None
    learned_total: Counter[Total | None] = None
    spam_total: Counter[Total | None] = None
    ham_total: Counter[Total | None] = None
    actions: Annotated[list[RspamdAction], msgspec.Meta(max_length=100)] | None = None
    connections_total: Counter[Total | None] = None
    control_connections_total: Counter[Total | None] = None
    scan_time_average_s: Gauge[Rate | None] = None
    scan_time_max_s: Gauge[Rate | None] = None
    allocated_bytes: Gauge[Total | None] = None
    fuzzy_hashes_count: Gauge[Total | None] = None
    config_id: Name | None = None


class AgentSource(msgspec.Struct, frozen=True):
    """One of the agent's sources: how often it was read, how long that took, what went wrong."""

    name: Name
    is_on: bool
    interval_s: Rate | None = None
    runs_total: Total | None = None
    failures_total: Total | None = None
    missed_total: Total | None = None
    unreadable_total: Total | None = None
    last_ms: Rate | None = None
    max_ms: Rate | None = None
    last_error: Text | None = None
    succeeded_at: AwareTime | None = None


class AgentPlugin(msgspec.Struct, frozen=True):
    """One process of a mail program with our plugin in it."""

    name: Name
    process: Name | None = None
    heard_at: AwareTime | None = None
    dropped_total: Total | None = None


class Reconciliation(msgspec.Struct, frozen=True):
    """What a program counted in a time, and how many events we have of it."""

    program: Name
    from_at: AwareTime
    to_at: AwareTime
    outcome: Name
    counted: Total
    captured: Total


class Agent(msgspec.Struct, frozen=True):
    """The agent's own health: its spool, its sends, its sources."""

    version: Name | None = None
    uptime_s: Untracked[Rate | None] = None
    memory_rss_bytes: Gauge[Total | None] = None
    cpu_percent: Gauge[Rate | None] = None
    threads_count: Gauge[Total | None] = None
    spooled_events_count: Gauge[Total | None] = None
    spooled_samples_count: Gauge[Total | None] = None
    spool_bytes: Gauge[Total | None] = None
    spool_limit_bytes: Gauge[Total | None] = None
    dropped_events_total: Counter[Total | None] = None
    dropped_samples_total: Counter[Total | None] = None
    plugin_dropped_total: Counter[Total | None] = None
    refused_events_total: Counter[Total | None] = None
    sends_total: Counter[Total | None] = None
    send_failures_total: Counter[Total | None] = None
    send_p95_ms: Gauge[Rate | None] = None
    clock_skew_ms: Gauge[Shift | None] = None
    oldest_event_at: AwareTime | None = None
    sources: Annotated[list[AgentSource], msgspec.Meta(max_length=100)] | None = None
    plugins: Annotated[list[AgentPlugin], msgspec.Meta(max_length=1000)] | None = None
    reconciliation: Annotated[list[Reconciliation], msgspec.Meta(max_length=1000)] | None = None


def _sample_of(payload: type[msgspec.Struct]) -> type[Sample]:
    """Return the struct of a program's samples; the payload is in the field named like its kind."""
    name = payload.__name__
    doc = {"__doc__": f"One sample of {name}."}
    fields = [(name.lower(), payload)]
    struct = msgspec.defstruct(
        f"{name}Sample", fields, bases=(Sample,), frozen=True, module=__name__, namespace=doc
    )
    return cast("type[Sample]", struct)


#: Kind, as in POST /metrics/{kind} → the payload sent there.
SAMPLES: dict[str, type[Sample]] = {
    "system": SystemSample,
    "zonemta": ZoneMtaSample,
    **{
        payload.__name__.lower(): _sample_of(payload)
        for payload in (Haraka, WildDuck, MongoDb, Redis, Rspamd, Agent)
    },
}
