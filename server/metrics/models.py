"""Samples, one hypertable per source.

django-timescaledb makes the hypertables and drops the primary keys, so `id` is no key here: each
table's unique constraint is. Never fetch by id. In the programs' tables null is unknown, and
columns are named like the payload's fields; what is a list there is JSON here, shown and never
searched.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from timescale.db.models.fields import TimescaleDateTimeField

from server.nodes.models import Node


class Sample(models.Model):
    """Whose sample it is, and when the node took it."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, db_index=False)
    time = TimescaleDateTimeField(interval="7 days")

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.node_id} {self.time:%F %T}"


class SystemSample(Sample):
    """One reading of a node's own state, every 15 s. Rates are None in an agent's first sample."""

    cpu_percent = models.FloatField()
    cpu_core_percents = ArrayField(models.FloatField())
    ram_used_percent = models.FloatField()
    ram_used_bytes = models.BigIntegerField()
    ram_total_bytes = models.BigIntegerField()
    disk_used_percent = models.FloatField()
    disk_free_bytes = models.BigIntegerField()
    disk_read_bytes_sec = models.FloatField(null=True)
    disk_write_bytes_sec = models.FloatField(null=True)
    net_rx_bytes_sec = models.FloatField(null=True)
    net_tx_bytes_sec = models.FloatField(null=True)
    net_rx_errors = models.BigIntegerField()
    net_tx_errors = models.BigIntegerField()
    load_1m = models.FloatField()
    load_5m = models.FloatField()
    load_15m = models.FloatField()
    tcp_established = models.IntegerField()
    tcp_time_wait = models.IntegerField()
    open_files = models.BigIntegerField()
    uptime_seconds = models.BigIntegerField()

    class Meta:
        db_table = "metrics_system"
        constraints = [models.UniqueConstraint(fields=["node", "time"], name="metrics_system_once")]


class ProcessSample(Sample):
    """One program of a node, all its processes together; part of each system sample."""

    process = models.TextField()
    status = models.TextField(help_text="running, stopped or not_found.")
    pid = models.BigIntegerField(null=True)
    memory_mb = models.FloatField(null=True)
    cpu_percent = models.FloatField(null=True, help_text="Of one core.")
    processes_count = models.BigIntegerField(null=True)
    started_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "metrics_process"
        constraints = [
            models.UniqueConstraint(fields=["node", "time", "process"], name="metrics_process_once")
        ]


class ServiceSample(Sample):
    """Whether a port of a node takes connections; part of each system sample."""

    service = models.TextField()
    is_open = models.BooleanField()

    class Meta:
        db_table = "metrics_service"
        constraints = [
            models.UniqueConstraint(fields=["node", "time", "service"], name="metrics_service_once")
        ]


class ZoneMtaSample(Sample):
    """ZoneMTA's own counters. `*_total`: `deliveries` of all zones, added up."""

    started_at_s = models.BigIntegerField(null=True)
    deliveries = models.JSONField(null=True)
    messages_taken_count = models.BigIntegerField(null=True)
    messages_failed_count = models.BigIntegerField(null=True)
    bounces_made_count = models.BigIntegerField(null=True)
    dropped_count = models.BigIntegerField(null=True)
    blacklisted_count = models.BigIntegerField(null=True)
    connections_reused_count = models.BigIntegerField(null=True)
    delivered_total = models.BigIntegerField(null=True)
    rejected_total = models.BigIntegerField(null=True)
    deferred_total = models.BigIntegerField(null=True)
    unknown_total = models.BigIntegerField(null=True)

    class Meta:
        db_table = "metrics_zonemta"
        constraints = [
            models.UniqueConstraint(fields=["node", "time"], name="metrics_zonemta_once")
        ]


class HarakaSample(Sample):
    """Haraka's counters and processes."""

    version = models.TextField(null=True)
    processes_count = models.BigIntegerField(null=True)
    uptime_s = models.FloatField(null=True)
    connections_total = models.BigIntegerField(null=True)
    connections_current_count = models.BigIntegerField(null=True)
    transactions_total = models.BigIntegerField(null=True)
    recipients_delivered_total = models.BigIntegerField(null=True)
    recipients_rejected_total = models.BigIntegerField(null=True)
    recipients_greylisted_total = models.BigIntegerField(null=True)
    recipients_deferred_total = models.BigIntegerField(null=True)
    memory_rss_bytes = models.BigIntegerField(null=True)
    plugin_dropped_total = models.BigIntegerField(null=True)

    class Meta:
        db_table = "metrics_haraka"
        constraints = [models.UniqueConstraint(fields=["node", "time"], name="metrics_haraka_once")]


class WildDuckSample(Sample):
    """WildDuck's users, storage and services."""

    version = models.TextField(null=True)
    source = models.TextField(null=True)
    is_healthy = models.BooleanField(null=True)
    users_count = models.BigIntegerField(null=True)
    messages_count = models.BigIntegerField(null=True)
    storage_used_bytes = models.BigIntegerField(null=True)
    quota_bytes = models.BigIntegerField(null=True)
    users_over_quota_90_percent_count = models.BigIntegerField(null=True)
    database_bytes = models.BigIntegerField(null=True)
    quotas = models.JSONField(null=True)
    quota_rotation = models.JSONField(null=True)
    services = models.JSONField(null=True)
    connections = models.JSONField(null=True)
    auth_success_total = models.BigIntegerField(null=True)
    auth_failure_total = models.BigIntegerField(null=True)
    connections_count = models.BigIntegerField(null=True)
    services_down_count = models.BigIntegerField(null=True)
    counted_at = models.DateTimeField(null=True)
    users_disabled_count = models.BigIntegerField(null=True)
    auth_limited_total = models.BigIntegerField(null=True)
    auth_error_total = models.BigIntegerField(null=True)
    uptime_s = models.FloatField(null=True)
    memory_rss_bytes = models.BigIntegerField(null=True)
    event_loop_lag_p99_ms = models.FloatField(null=True)

    class Meta:
        db_table = "metrics_wildduck"
        constraints = [
            models.UniqueConstraint(fields=["node", "time"], name="metrics_wildduck_once")
        ]


class MongoDbSample(Sample):
    """MongoDB's state, of the member the agent asked."""

    version = models.TextField(null=True)
    uptime_s = models.FloatField(null=True)
    connections_current_count = models.BigIntegerField(null=True)
    connections_available_count = models.BigIntegerField(null=True)
    insert_total = models.BigIntegerField(null=True)
    query_total = models.BigIntegerField(null=True)
    update_total = models.BigIntegerField(null=True)
    delete_total = models.BigIntegerField(null=True)
    getmore_total = models.BigIntegerField(null=True)
    command_total = models.BigIntegerField(null=True)
    memory_resident_bytes = models.BigIntegerField(null=True)
    cache_used_bytes = models.BigIntegerField(null=True)
    cache_dirty_bytes = models.BigIntegerField(null=True)
    cache_max_bytes = models.BigIntegerField(null=True)
    queued_reads_count = models.BigIntegerField(null=True)
    queued_writes_count = models.BigIntegerField(null=True)
    net_input_bytes_total = models.BigIntegerField(null=True)
    net_output_bytes_total = models.BigIntegerField(null=True)
    asserts_total = models.BigIntegerField(null=True)
    page_faults_total = models.BigIntegerField(null=True)
    replica_set = models.TextField(null=True)
    member_state = models.TextField(null=True)
    replication_lag_s = models.FloatField(null=True)
    members = models.JSONField(null=True)
    oplog_window_s = models.FloatField(null=True)
    oplog_bytes = models.BigIntegerField(null=True)
    databases = models.JSONField(null=True)
    connections_created_total = models.BigIntegerField(null=True)
    read_tickets_available_count = models.BigIntegerField(null=True)
    write_tickets_available_count = models.BigIntegerField(null=True)
    primary = models.TextField(null=True)
    disk_used_bytes = models.BigIntegerField(null=True)
    disk_total_bytes = models.BigIntegerField(null=True)
    refused = models.JSONField(null=True)

    class Meta:
        db_table = "metrics_mongodb"
        constraints = [
            models.UniqueConstraint(fields=["node", "time"], name="metrics_mongodb_once")
        ]


class RedisSample(Sample):
    """Redis's INFO."""

    version = models.TextField(null=True)
    role = models.TextField(null=True)
    uptime_s = models.FloatField(null=True)
    connected_clients_count = models.BigIntegerField(null=True)
    blocked_clients_count = models.BigIntegerField(null=True)
    used_memory_bytes = models.BigIntegerField(null=True)
    used_memory_rss_bytes = models.BigIntegerField(null=True)
    maxmemory_bytes = models.BigIntegerField(null=True)
    fragmentation_ratio = models.FloatField(null=True)
    keys_count = models.BigIntegerField(null=True)
    operations_per_s = models.FloatField(null=True)
    commands_total = models.BigIntegerField(null=True)
    connections_total = models.BigIntegerField(null=True)
    rejected_connections_total = models.BigIntegerField(null=True)
    keyspace_hits_total = models.BigIntegerField(null=True)
    keyspace_misses_total = models.BigIntegerField(null=True)
    expired_keys_total = models.BigIntegerField(null=True)
    evicted_keys_total = models.BigIntegerField(null=True)
    net_input_bytes_total = models.BigIntegerField(null=True)
    net_output_bytes_total = models.BigIntegerField(null=True)
    rdb_last_save_at = models.DateTimeField(null=True)
    rdb_last_save_ok = models.BooleanField(null=True)
    aof_enabled = models.BooleanField(null=True)
    aof_last_write_ok = models.BooleanField(null=True)
    replicas_count = models.BigIntegerField(null=True)
    master_link_up = models.BooleanField(null=True)
    replication_lag_bytes = models.BigIntegerField(null=True)
    clients_limit_count = models.BigIntegerField(null=True)
    used_memory_peak_bytes = models.BigIntegerField(null=True)
    maxmemory_policy = models.TextField(null=True)
    error_replies_total = models.BigIntegerField(null=True)
    rdb_changes_count = models.BigIntegerField(null=True)
    is_loading = models.BooleanField(null=True)
    master_link_down_s = models.FloatField(null=True)

    class Meta:
        db_table = "metrics_redis"
        constraints = [models.UniqueConstraint(fields=["node", "time"], name="metrics_redis_once")]


class RspamdSample(Sample):
    """Rspamd's counters. `action_*_total`: `actions`, each by itself."""

    version = models.TextField(null=True)
    uptime_s = models.FloatField(null=True)
    scanned_total = models.BigIntegerField(null=True)
    learned_total = models.BigIntegerField(null=True)
    spam_total = models.BigIntegerField(null=True)
    ham_total = models.BigIntegerField(null=True)
    actions = models.JSONField(null=True)
    connections_total = models.BigIntegerField(null=True)
    control_connections_total = models.BigIntegerField(null=True)
    scan_time_average_s = models.FloatField(null=True)
    scan_time_max_s = models.FloatField(null=True)
    allocated_bytes = models.BigIntegerField(null=True)
    fuzzy_hashes_count = models.BigIntegerField(null=True)
    action_reject_total = models.BigIntegerField(null=True)
    action_soft_reject_total = models.BigIntegerField(null=True)
    action_rewrite_subject_total = models.BigIntegerField(null=True)
    action_add_header_total = models.BigIntegerField(null=True)
    action_greylist_total = models.BigIntegerField(null=True)
    action_no_action_total = models.BigIntegerField(null=True)
    config_id = models.TextField(null=True)

    class Meta:
        db_table = "metrics_rspamd"
        constraints = [models.UniqueConstraint(fields=["node", "time"], name="metrics_rspamd_once")]


class AgentSample(Sample):
    """The agent's own health: spool, sends, sources."""

    version = models.TextField(null=True)
    uptime_s = models.FloatField(null=True)
    memory_rss_bytes = models.BigIntegerField(null=True)
    cpu_percent = models.FloatField(null=True)
    threads_count = models.BigIntegerField(null=True)
    spooled_events_count = models.BigIntegerField(null=True)
    spooled_samples_count = models.BigIntegerField(null=True)
    spool_bytes = models.BigIntegerField(null=True)
    spool_limit_bytes = models.BigIntegerField(null=True)
    dropped_events_total = models.BigIntegerField(null=True)
    dropped_samples_total = models.BigIntegerField(null=True)
    plugin_dropped_total = models.BigIntegerField(null=True)
    refused_events_total = models.BigIntegerField(null=True)
    sends_total = models.BigIntegerField(null=True)
    send_failures_total = models.BigIntegerField(null=True)
    send_p95_ms = models.FloatField(null=True)
    clock_skew_ms = models.FloatField(null=True)
    sources = models.JSONField(null=True)
    plugins = models.JSONField(null=True)
    reconciliation = models.JSONField(null=True)
    oldest_event_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "metrics_agent"
        constraints = [models.UniqueConstraint(fields=["node", "time"], name="metrics_agent_once")]
