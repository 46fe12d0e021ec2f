"""Samples, one hypertable per source."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from timescale.db.models.fields import TimescaleDateTimeField

from server.nodes.models import Node


class SystemSample(models.Model):
    """One reading of a node's own state, every 15 s. Rates are None in an agent's first sample.

    The database backend makes the hypertable and drops the primary key, so `id` is no key here:
    (node, time) is. Never fetch by id.
    """

    node = models.ForeignKey(Node, on_delete=models.CASCADE, db_index=False)
    time = TimescaleDateTimeField(interval="7 days")
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

    def __str__(self) -> str:
        return f"{self.node_id} {self.time:%F %T}"
