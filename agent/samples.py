"""Catalogue of samples: the bodies of POST /api/v1/metrics/{kind} (tests/contract/metrics_*.json).

Every sample has `node_id`, `timestamp` and, under the name of its kind, the readings; ZoneMTA's has
`queue` beside them. Either is null when it cannot be read.

`*_total` counts since the program began, or since its counters were reset. None: this version has
no such value, or the agent has no right to read it; never a guess. Published names are permanent.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from agent.wire import AwareTime

Count = Annotated[int, Meta(ge=0, le=2**53)]


class Core(msgspec.Struct, frozen=True):
    """One processor core."""

    core: int
    percent: float


class FileSystem(msgspec.Struct, frozen=True, kw_only=True):
    """One local file system. `free_bytes`: for users other than root; `used_percent` as in `df`.
    Inodes are None where the file system does not count them."""

    mount_point: str
    type: str
    total_bytes: int
    free_bytes: int
    used_percent: float
    inodes_free_count: int | None
    inodes_used_percent: float | None


class SystemReadings(msgspec.Struct, frozen=True, kw_only=True):
    """The machine. `*_sec`: rates since the sample before, None in the first; errors since boot.
    `ram_used_*` without what ZFS caches and gives back. `disk_*_percent`, `disk_free_bytes`: of the
    root; `file_systems`: all local ones, the fullest first."""

    cpu_percent: float
    cpu_cores: list[Core]
    ram_used_percent: float
    ram_used_bytes: int
    ram_total_bytes: int
    disk_used_percent: float
    disk_free_bytes: int
    disk_read_bytes_sec: float | None
    disk_write_bytes_sec: float | None
    net_rx_bytes_sec: float | None
    net_tx_bytes_sec: float | None
    net_rx_errors: int
    net_tx_errors: int
    load_avg: tuple[float, float, float]
    tcp_established: int
    tcp_time_wait: int
    open_files: int
    uptime_seconds: int
    file_systems: list[FileSystem]


class ProcessReadings(msgspec.Struct, frozen=True, kw_only=True):
    """One program with all processes. `pid` and `started_at`: of the first, which started the
    others; `memory_mb`: resident megabytes, shared pages counted in each; `cpu_percent`: of one
    core since the sample before, None without one. `stopped`: ran before, or held by a signal."""

    status: Literal["running", "stopped", "not_found"]
    pid: int | None = None
    memory_mb: float = 0.0
    cpu_percent: float | None = 0.0
    processes_count: int = 0
    started_at: AwareTime | None = None


class SystemSample(msgspec.Struct, frozen=True, kw_only=True):
    """One sample of the machine. `services`: whether a port accepts connections, by "port_25"."""

    node_id: str
    timestamp: AwareTime
    system: SystemReadings
    processes: dict[str, ProcessReadings]
    services: dict[str, bool]


class ZoneDeliveries(msgspec.Struct, frozen=True):
    """Attempts of one zone that ended in one way, since ZoneMTA started, notifications included.
    `zone` is empty where the version counts without zones."""

    zone: str
    status: str
    count: int


class ZoneMtaReadings(msgspec.Struct, frozen=True, kw_only=True):
    """ZoneMTA's own counters since `started_at_s` (seconds since 1970): another start, other
    counters. `deferred` counts attempts, `messages_taken_count` only messages from SMTP."""

    started_at_s: int | None
    deliveries: list[ZoneDeliveries]
    messages_taken_count: int | None
    messages_failed_count: int | None
    bounces_made_count: int | None
    dropped_count: int | None
    blacklisted_count: int | None
    connections_reused_count: int | None


class ZoneQueue(msgspec.Struct, frozen=True):
    """Recipients that wait in one zone: those due now and those due later."""

    zone: str
    active_count: int
    deferred_count: int


class QueueAge(msgspec.Struct, frozen=True):
    """Recipients queued less than `up_to_s` ago, and not in the bracket before; None: the rest."""

    up_to_s: int | None
    count: int


class QueueShare(msgspec.Struct, frozen=True):
    """Recipients assigned to one instance of ZoneMTA; "no": to none yet."""

    instance: str
    count: int


class QueueReason(msgspec.Struct, frozen=True):
    """Deferred recipients with this last reply."""

    response: str
    count: int


class QueueDestination(msgspec.Struct, frozen=True):
    """Waiting recipients of one domain, in each bracket of `ages`, and of `expiries`; some of the
    last replies."""

    domain: str
    counts: list[int]
    replies: list[str]
    expiries: list[int] = []


class OtherDestinations(msgspec.Struct, frozen=True):
    """Number of further domains, and their recipients in each bracket of `ages` and `expiries`."""

    domains_count: int
    counts: list[int]
    expiries: list[int] = []


class MailQueue(msgspec.Struct, frozen=True, kw_only=True):
    """The mail queue. ZoneMTA's API (`source` "api") gives only the zones, the rest is None.
    `database`: name of the database, the same on all nodes that share it and its queue. `instance`:
    this node's share, where configured. `reasons_of_count`, `destinations_of_count`: recipients
    that reasons and destinations are of, fewer than wait where the queue is very long; `expiries`:
    of the same recipients, in how long ZoneMTA gives them up."""

    source: Literal["mongodb", "api"]
    zones: list[ZoneQueue]
    active_count: int
    deferred_count: int
    database: str | None = None
    instance: str | None = None
    locked_count: int | None = None
    oldest_created_at: AwareTime | None = None
    ages: list[QueueAge] | None = None
    shares: list[QueueShare] | None = None
    reasons: list[QueueReason] | None = None
    reasons_of_count: int | None = None
    destinations: list[QueueDestination] | None = None
    other_destinations: OtherDestinations | None = None
    destinations_of_count: int | None = None
    expiries: list[QueueAge] | None = None


class RedisReadings(msgspec.Struct, frozen=True, kw_only=True):
    """INFO of one Redis. `maxmemory_bytes` 0: no limit. `rdb_changes_count`: writes since the last
    save. `master_link_up`, `master_link_down_s`: of a replica. `replication_lag_bytes`: of a
    replica not yet applied, of a master not yet acknowledged by its slowest replica."""

    version: str | None
    role: str | None
    uptime_s: int | None
    connected_clients_count: int | None
    clients_limit_count: int | None
    blocked_clients_count: int | None
    used_memory_bytes: int | None
    used_memory_rss_bytes: int | None
    used_memory_peak_bytes: int | None
    maxmemory_bytes: int | None
    maxmemory_policy: str | None
    fragmentation_ratio: float | None
    keys_count: int | None
    operations_per_s: float | None
    commands_total: int | None
    connections_total: int | None
    rejected_connections_total: int | None
    error_replies_total: int | None
    keyspace_hits_total: int | None
    keyspace_misses_total: int | None
    expired_keys_total: int | None
    evicted_keys_total: int | None
    net_input_bytes_total: int | None
    net_output_bytes_total: int | None
    rdb_last_save_at: AwareTime | None
    rdb_changes_count: int | None
    rdb_last_save_ok: bool | None
    aof_enabled: bool | None
    aof_last_write_ok: bool | None
    is_loading: bool | None
    replicas_count: int | None
    master_link_up: bool | None
    master_link_down_s: int | None
    replication_lag_bytes: int | None


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One member of a replica set, as this node's sees it. `lag_s`: between its last write and the
    primary's; None without a primary, or of a member without data."""

    name: str
    state: str
    is_healthy: bool
    lag_s: float | None


class DatabaseSize(msgspec.Struct, frozen=True, kw_only=True):
    """One database. `data_bytes`: uncompressed, `storage_bytes`: on the disk."""

    name: str
    collections_count: int | None
    objects_count: int | None
    data_bytes: int | None
    storage_bytes: int | None
    index_bytes: int | None


class MongoReadings(msgspec.Struct, frozen=True, kw_only=True):
    """The MongoDB of this node, queried directly. `refused`: commands that the agent's user may not
    run or the version does not know; their values are None or empty."""

    version: str | None
    uptime_s: int | None
    connections_current_count: int | None
    connections_available_count: int | None
    connections_created_total: int | None
    insert_total: int | None
    query_total: int | None
    update_total: int | None
    delete_total: int | None
    getmore_total: int | None
    command_total: int | None
    memory_resident_bytes: int | None
    cache_used_bytes: int | None
    cache_dirty_bytes: int | None
    cache_max_bytes: int | None
    queued_reads_count: int | None
    queued_writes_count: int | None
    read_tickets_available_count: int | None
    write_tickets_available_count: int | None
    net_input_bytes_total: int | None
    net_output_bytes_total: int | None
    asserts_total: int | None
    page_faults_total: int | None
    replica_set: str | None
    member_state: str | None
    primary: str | None
    replication_lag_s: float | None
    members: list[Member]
    oplog_window_s: float | None
    oplog_bytes: int | None
    disk_used_bytes: int | None
    disk_total_bytes: int | None
    databases: list[DatabaseSize]
    refused: list[str]


class ActionCount(msgspec.Struct, frozen=True):
    """Messages with this action of Rspamd."""

    action: str
    count: int


class RspamdReadings(msgspec.Struct, frozen=True, kw_only=True):
    """/stat of one Rspamd. Its counters survive restarts (`uptime_s` does not) until they are
    reset; greylisted mail is counted as ham. Scan times are of the last 31 messages. `config_id`:
    prefix of its configuration's hash, the same on nodes with the same configuration."""

    version: str | None
    config_id: str | None
    uptime_s: int | None
    scanned_total: int
    learned_total: int | None
    spam_total: int | None
    ham_total: int | None
    actions: list[ActionCount]
    connections_total: int | None
    control_connections_total: int | None
    scan_time_average_s: float | None
    scan_time_max_s: float | None
    allocated_bytes: int | None
    fuzzy_hashes_count: int | None


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """Storage of one user. `allowed_bytes` 0: no limit."""

    username: str
    used_bytes: int
    allowed_bytes: int


class QuotaRotation(msgspec.Struct, frozen=True, kw_only=True):
    """The next users of a round through all of them, its begin, and the end of the last complete
    round, None before the first."""

    quotas: list[Quota]
    round_began_at: AwareTime
    round_ended_at: AwareTime | None


class ServiceUp(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a service of WildDuck runs; a disabled one does not."""

    service: str
    is_up: bool


class ConnectionCount(msgspec.Struct, frozen=True, kw_only=True):
    """Connections open now, of one protocol."""

    protocol: str
    count: int


class WildDuckMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """WildDuck's own metrics, disabled by default."""

    services: list[ServiceUp] | None = None
    connections: list[ConnectionCount] | None = None
    auth_success_total: int | None = None
    auth_failure_total: int | None = None
    auth_limited_total: int | None = None
    auth_error_total: int | None = None
    memory_rss_bytes: int | None = None
    event_loop_lag_p99_ms: float | None = None


class WildDuckReadings(WildDuckMetrics, frozen=True, kw_only=True):
    """One WildDuck. `source`: of users and storage, None when they cannot be read. `counted_at`:
    end of the count, which takes the API several runs; before only `users_count` is known.
    `storage_used_bytes` counts shared attachments each time. `quotas`: the fullest users."""

    version: str | None = None
    is_healthy: bool | None = None
    source: Literal["mongodb", "api"] | None = None
    counted_at: AwareTime | None = None
    users_count: int | None = None
    users_disabled_count: int | None = None
    messages_count: int | None = None
    storage_used_bytes: int | None = None
    quota_bytes: int | None = None
    users_over_quota_90_percent_count: int | None = None
    database_bytes: int | None = None
    quotas: list[Quota] = []
    quota_rotation: QuotaRotation | None = None
    uptime_s: int | None = None


class HarakaProcess(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of one process of Haraka since it began, as reported by its plugin."""

    version: Annotated[str, Meta(max_length=40)] | None = None
    uptime_s: Count
    connections_total: Count
    connections_current_count: Count
    transactions_total: Count
    recipients_delivered_total: Count
    recipients_rejected_total: Count
    recipients_greylisted_total: Count
    recipients_deferred_total: Count
    memory_rss_bytes: Count


class HarakaReadings(HarakaProcess, frozen=True, kw_only=True):
    """All processes of one Haraka together. `uptime_s`: of the oldest, `version`: of the newest."""

    processes_count: int
    plugin_dropped_total: int


class SourceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of one source since the agent began. `is_on`: its program was present in the last run.
    `missed_total`: runs skipped because the one before was still going; of GELF, datagrams that the
    kernel dropped. `unreadable_total`: lines of the program's metrics, or datagrams, that could not
    be read. `last_error`: the reason for a missing sample,
    None when the last run gave one."""

    name: str
    is_on: bool = True
    interval_s: float
    runs_total: int = 0
    failures_total: int = 0
    missed_total: int = 0
    unreadable_total: int = 0
    last_ms: float | None = None
    max_ms: float | None = None
    last_error: str | None = None
    succeeded_at: AwareTime | None = None


class PluginHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One process of a mail program whose plugin reports."""

    name: str
    process: str
    heard_at: AwareTime
    dropped_total: int


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """One span and outcome: the program's own count, and the captured events."""

    program: str
    from_at: AwareTime
    to_at: AwareTime
    outcome: str
    counted: int
    captured: int


class SpoolHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Contents of the spool, and its losses since its file was created. None in `once`."""

    spooled_events_count: int | None = None
    spooled_samples_count: int | None = None
    oldest_event_at: AwareTime | None = None
    spool_bytes: int | None = None
    spool_limit_bytes: int | None = None
    dropped_events_total: int | None = None
    dropped_samples_total: int | None = None
    plugin_dropped_total: int | None = None
    refused_events_total: int | None = None


class AgentReadings(SpoolHealth, frozen=True, kw_only=True):
    """The agent itself. `cpu_percent`: of one core since the sample before, None in the first.
    `send*`: POSTs to the server since the agent began, None in `once`. `clock_skew_ms`: this clock
    minus the server's, None before its first response."""

    version: str
    uptime_s: int
    memory_rss_bytes: int
    cpu_percent: float | None
    threads_count: int
    sends_total: int | None = None
    send_failures_total: int | None = None
    send_p95_ms: float | None = None
    clock_skew_ms: float | None = None
    sources: list[SourceHealth]
    plugins: list[PluginHealth]
    reconciliation: list[Reconciliation]
