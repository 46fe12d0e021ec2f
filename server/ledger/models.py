"""One row per node and epoch. An epoch is the lifetime of one spool: its numbers begin anew.

Snapshots beside it tell what was known of it at earlier times.
"""

from django.db import models


class MultirangeField(models.Field[str, str]):
    """PostgreSQL's int8multirange, as its text: {[1,5),[7,9)}. Django has no field for it."""

    def db_type(self, connection: object) -> str:
        return "int8multirange"


class Epoch(models.Model):
    """Received numbers of one epoch; the gaps between its ranges are missing."""

    node = models.CharField(max_length=64)
    epoch = models.CharField(max_length=64)
    first_seq = models.BigIntegerField(help_text="The lowest number known.")
    received = MultirangeField(help_text="Numbers accepted and stored, or refused with a reason.")
    refused = MultirangeField(
        db_default="{}", help_text="Numbers of these that were refused, and not accepted since."
    )
    dropped = MultirangeField(help_text="Numbers the agent reported as dropped: explained gaps.")
    repeated_count = models.BigIntegerField(default=0, help_text="Numbers that came again.")
    refused_count = models.BigIntegerField(
        default=0, help_text="Refused events whose numbers are not kept."
    )
    folded_missing_count = models.BigIntegerField(
        default=0, db_default=0, help_text="Missing numbers of old gaps, or of older epochs."
    )
    folded_dropped_count = models.BigIntegerField(
        default=0, db_default=0, help_text="The same of dropped ones."
    )
    first_received_at = models.DateTimeField()
    last_received_at = models.DateTimeField()

    class Meta:
        ordering = ["node", "-last_received_at"]
        constraints = [models.UniqueConstraint(fields=["node", "epoch"], name="ledger_epoch_once")]

    def __str__(self) -> str:
        return f"{self.node} {self.epoch}"


class Snapshot(models.Model):
    """What was known of an epoch at one moment, so that a range of time is distinct from its life.

    Of each hour in which something came; of older days the last one.
    """

    node = models.CharField(max_length=64)
    epoch = models.CharField(max_length=64)
    at = models.DateTimeField()
    last_seq = models.BigIntegerField(help_text="The highest number known.")
    repeated_count = models.BigIntegerField(help_text="This and what follows: as of the epoch.")
    refused_count = models.BigIntegerField()
    folded_missing_count = models.BigIntegerField()
    folded_dropped_count = models.BigIntegerField()

    class Meta:
        ordering = ["node", "epoch", "-at"]
        constraints = [
            models.UniqueConstraint(fields=["node", "epoch", "at"], name="ledger_snapshot_once")
        ]

    def __str__(self) -> str:
        return f"{self.node} {self.epoch} {self.at:%F %T}"
