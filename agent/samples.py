"""The agent's half of the contract, continued: the samples of the programs and of the agent itself,
as POST /api/v1/metrics/{kind} takes them (tests/contract/metrics_*.json).

`*_total` counts since the program began, or since its counters were set back. None: this version
does not tell, or the agent may not ask; never a guess. Published names are permanent.
"""

from typing import Literal

import msgspec

from agent.wire import AwareTime


class RedisReadings(msgspec.Struct, frozen=True, kw_only=True):
    """INFO of one Redis. `maxmemory_bytes` 0: no limit. `rdb_changes_count`: writes since the last
    save. Of a replica `master_link_up` says whether it follows, and for how long it has not;
    `replication_lag_bytes` is what it has not applied yet, of a master what its slowest replica has
    not acknowledged."""

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


class RedisSample(msgspec.Struct, frozen=True, kw_only=True):
    """One sample of Redis."""

    node_id: str
    timestamp: AwareTime
    redis: RedisReadings


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One member of a replica set, as the one asked sees it. `lag_s`: how far behind the primary
    its last write is; None without a primary, or of a member that has no data."""

    name: str
    state: str
    is_healthy: bool
    lag_s: float | None


class DatabaseSize(msgspec.Struct, frozen=True, kw_only=True):
    """One database: `data_bytes` as the programs see it, `storage_bytes` on the disk."""

    name: str
    collections_count: int | None
    objects_count: int | None
    data_bytes: int | None
    storage_bytes: int | None
    index_bytes: int | None


class MongoReadings(msgspec.Struct, frozen=True, kw_only=True):
    """The MongoDB of this node, asked directly. `refused`: what the agent's user may not ask or the
    version does not know, by the name of the command; what it would have told is None or empty."""

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


class MongoSample(msgspec.Struct, frozen=True, kw_only=True):
    """One sample of MongoDB."""

    node_id: str
    timestamp: AwareTime
    mongodb: MongoReadings


class ActionCount(msgspec.Struct, frozen=True):
    """How many messages Rspamd said this of."""

    action: str
    count: int


class RspamdReadings(msgspec.Struct, frozen=True, kw_only=True):
    """/stat of one Rspamd. Its counters survive its restarts (`uptime_s` does not) until somebody
    sets them back; greylisted mail is counted as ham. Scan times are of the last 31 messages.
    `config_id`: the beginning of what names its configuration; nodes alike have the same."""

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


class RspamdSample(msgspec.Struct, frozen=True, kw_only=True):
    """One sample of Rspamd."""

    node_id: str
    timestamp: AwareTime
    rspamd: RspamdReadings


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """How much of its allowance one user's mail takes."""

    username: str
    used_bytes: int
    allowed_bytes: int


class QuotaRotation(msgspec.Struct, frozen=True, kw_only=True):
    """The quotas of all users by turns: those of this sample, when the round they belong to began,
    and when the last whole round ended, None before the first. `allowed_bytes` 0: no limit."""

    quotas: list[Quota]
    round_began_at: AwareTime
    round_ended_at: AwareTime | None


class ServiceUp(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a service of WildDuck runs; one that is switched off does not."""

    service: str
    is_up: bool


class ConnectionCount(msgspec.Struct, frozen=True, kw_only=True):
    """Connections open now, of one protocol."""

    protocol: str
    count: int


class WildDuckReadings(msgspec.Struct, frozen=True, kw_only=True):
    """One WildDuck. `source`: where users and storage come from, None when from nowhere;
    `counted_at`: when they were counted to the end, which over the API takes several runs.
    `storage_used_bytes` is the size of the mail, not the disk it takes: attachments are kept once.
    `quotas`: the fullest; `quota_rotation`: all users by turns. Services, connections and logins
    come from its own metrics, which are off unless switched on, and count since `uptime_s` ago."""

    version: str | None
    source: Literal["mongodb", "api"] | None
    counted_at: AwareTime | None
    is_healthy: bool | None
    users_count: int | None
    users_disabled_count: int | None
    messages_count: int | None
    storage_used_bytes: int | None
    quota_bytes: int | None
    users_over_quota_90_percent_count: int | None
    database_bytes: int | None
    quotas: list[Quota]
    quota_rotation: QuotaRotation | None
    services: list[ServiceUp] | None
    connections: list[ConnectionCount] | None
    auth_success_total: int | None
    auth_failure_total: int | None
    auth_limited_total: int | None
    auth_error_total: int | None
    uptime_s: int | None
    memory_rss_bytes: int | None
    event_loop_lag_p99_ms: float | None


class WildDuckSample(msgspec.Struct, frozen=True, kw_only=True):
    """One sample of WildDuck."""

    node_id: str
    timestamp: AwareTime
    wildduck: WildDuckReadings


class HarakaReadings(msgspec.Struct, frozen=True, kw_only=True):
    """All processes of one Haraka together, as its plugin told them. `uptime_s`: of the oldest."""

    version: str | None
    processes_count: int
    uptime_s: int
    connections_total: int
    connections_current_count: int
    transactions_total: int
    recipients_delivered_total: int
    recipients_rejected_total: int
    recipients_greylisted_total: int
    recipients_deferred_total: int
    memory_rss_bytes: int
    plugin_dropped_total: int


class HarakaSample(msgspec.Struct, frozen=True, kw_only=True):
    """One sample of Haraka."""

    node_id: str
    timestamp: AwareTime
    haraka: HarakaReadings


class SourceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How one source was collected since the agent began. `is_on`: its program was there in the
    last run. `missed_total`: runs left out because the one before was still going. `last_error`:
    why there is no sample, None when the last run gave one."""

    name: str
    is_on: bool
    interval_s: float
    runs_total: int
    failures_total: int
    missed_total: int
    last_ms: float | None
    max_ms: float | None
    last_error: str | None
    succeeded_at: AwareTime | None


class PluginHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One process of a mail program whose plugin was heard from."""

    name: str
    process: str
    heard_at: AwareTime
    dropped_total: int


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """One span and outcome: what the program counted itself, and what was captured of it."""

    program: str
    from_at: AwareTime
    to_at: AwareTime
    outcome: str
    counted: int
    captured: int


class SpoolHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What waits in the spool, and what was lost there since the spool's file began."""

    spooled_events_count: int
    spooled_samples_count: int
    oldest_event_at: AwareTime | None
    spool_bytes: int
    spool_limit_bytes: int
    dropped_events_total: int
    dropped_samples_total: int
    plugin_dropped_total: int
    refused_events_total: int


class SendHealth(msgspec.Struct, frozen=True, kw_only=True):
    """POSTs to the server since the agent began. `clock_skew_ms`: how far this clock is ahead of
    the server's, None before its first answer."""

    sends_total: int
    send_failures_total: int
    send_p95_ms: float | None
    clock_skew_ms: float | None


class AgentReadings(msgspec.Struct, frozen=True, kw_only=True):
    """The agent itself. `cpu_percent`: of one core since the sample before, None in the first. What
    belongs to the spool and to sending is as in SpoolHealth and SendHealth, None in `once`."""

    version: str
    uptime_s: int
    memory_rss_bytes: int
    cpu_percent: float | None
    threads_count: int
    spooled_events_count: int | None
    spooled_samples_count: int | None
    oldest_event_at: AwareTime | None
    spool_bytes: int | None
    spool_limit_bytes: int | None
    dropped_events_total: int | None
    dropped_samples_total: int | None
    plugin_dropped_total: int | None
    refused_events_total: int | None
    sends_total: int | None
    send_failures_total: int | None
    send_p95_ms: float | None
    clock_skew_ms: float | None
    sources: list[SourceHealth]
    plugins: list[PluginHealth]
    reconciliation: list[Reconciliation]


class AgentSample(msgspec.Struct, frozen=True, kw_only=True):
    """One sample of the agent."""

    node_id: str
    timestamp: AwareTime
    agent: AgentReadings
