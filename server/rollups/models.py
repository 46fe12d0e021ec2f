"""Reclassifications that people requested, and how far they are. The levels have no models."""

from datetime import timedelta

from django.db import models
from django.db.models import Q


class Reclassification(models.Model):
    """Stored events of some UTC days get the classes assigned to their replies. Open while
    `ended_at` is None; `next_day` is the first that is not done. `failure`: why it ended early."""

    first_day = models.DateField()
    last_day = models.DateField()
    next_day = models.DateField()
    changed_count = models.BigIntegerField(default=0)
    author = models.CharField(max_length=150)
    requested_at = models.DateTimeField()
    progressed_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=300, blank=True)
    is_open = models.BooleanField(default=True)

    class Meta:
        db_table = "reclassifications"
        ordering = ["-requested_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_open"], condition=Q(is_open=True), name="reclassifications_open_once"
            )
        ]

    def __str__(self) -> str:
        return f"reclassification of {self.first_day:%F} to {self.last_day:%F}"

    @property
    def days_count(self) -> int:
        return (self.last_day - self.first_day).days + 1

    @property
    def done_count(self) -> int:
        return (self.next_day - self.first_day) // timedelta(days=1)
