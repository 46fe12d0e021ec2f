"""Dead letters: rows that could not be stored, for an operator to look at."""

from django.db import models


class DeadLetter(models.Model):
    """One event or sample that PostgreSQL refused, with its message. Nothing waits for it.

    One for each payload, however often it is refused. Written by dead_letters alone.
    """

    kind = models.CharField(max_length=16)
    node = models.CharField(max_length=64, blank=True)
    reason = models.TextField()
    payload = models.TextField()
    payload_hash = models.UUIDField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "payload_hash"], name="ingest_deadletter_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.node or 'no node'}: {self.reason[:60]}"
