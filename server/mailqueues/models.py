"""Readings of the mail queues."""

from django.db import models
from timescale.db.models.fields import TimescaleDateTimeField

from server.nodes.models import Node


class MailQueueSnapshot(models.Model):
    """One reading of a mail queue by one node's agent: of the whole database it reads.

    What is a list in the payload stays one, as JSON: it is shown whole, newest reading first, and
    never searched. (node, time) is the key, `id` is none.
    """

    node = models.ForeignKey(Node, on_delete=models.CASCADE, db_index=False)
    time = TimescaleDateTimeField(interval="1 day")
    source = models.TextField(help_text="mongodb, or api: then only zones and totals are known.")
    database = models.TextField(help_text="The same on each node that shares it; '': not known.")
    instance = models.TextField(null=True, help_text="Which of the shares is this node's.")
    active_count = models.BigIntegerField()
    deferred_count = models.BigIntegerField()
    locked_count = models.BigIntegerField(null=True)
    oldest_created_at = models.DateTimeField(null=True)
    zones = models.JSONField()
    ages = models.JSONField(null=True)
    shares = models.JSONField(null=True)
    reasons = models.JSONField(null=True)
    reasons_of_count = models.BigIntegerField(null=True)
    destinations = models.JSONField(null=True)
    other_destinations = models.JSONField(null=True)
    destinations_of_count = models.BigIntegerField(null=True)

    class Meta:
        db_table = "mail_queue_snapshots"
        constraints = [
            models.UniqueConstraint(fields=["node", "time"], name="mail_queue_snapshots_once")
        ]

    def __str__(self) -> str:
        return f"{self.node_id} {self.time:%F %T}"
