"""Blocks that were found, and the state of their detection."""

from django.db import models
from django.db.models import Q

#: Bounds of what is stored of one block. Names are as long as the columns of events.
MAX_NAME_CHARS, MAX_REPLY_CHARS = 255, 500
MAX_CONTRIBUTORS, MAX_EVIDENCE = 20, 20


class Block(models.Model):
    """Mail of ours that a provider began to refuse. Open while `ended_at` is None.

    `kind`: whose mail: of one `ip`, `sender` or `domain` (the subject), or everybody's: `provider`.
    Times: `started_at` of the first refusal, `found_at` of the report, `permanent_at` of the first
    permanent refusal, where there is one. Counts are of messages at their first attempt, since it
    began. `senders`, `domains`, `ips`: names with refused messages, the most first. `evidence`:
    events that were refused.
    """

    class Kind(models.TextChoices):
        """Whose mail is refused."""

        IP = "ip", "IP"
        PROVIDER = "provider", "everybody"
        SENDER = "sender", "sender"
        DOMAIN = "domain", "domain"

    class EndReason(models.TextChoices):
        """Why a block is over."""

        TAKEN = "taken", "mail is taken again"
        UNTRIED = "untried", "nothing was tried for 7 days"
        MERGED = "merged", "it was part of a larger one"

    kind = models.CharField(max_length=16, choices=Kind.choices)
    provider = models.CharField(max_length=MAX_NAME_CHARS)
    subject = models.CharField(max_length=MAX_NAME_CHARS, blank=True)
    started_at = models.DateTimeField()
    found_at = models.DateTimeField()
    permanent_at = models.DateTimeField(null=True)
    refused_at = models.DateTimeField(help_text="When it last refused a message.")
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=16, choices=EndReason.choices, blank=True)
    refused_count = models.BigIntegerField()
    taken_count = models.BigIntegerField()
    bounce_class = models.CharField(max_length=16, blank=True)
    reply_fingerprint = models.CharField(max_length=16, blank=True)
    reply = models.CharField(max_length=MAX_REPLY_CHARS, blank=True)
    senders = models.JSONField(default=list)
    domains = models.JSONField(default=list)
    ips = models.JSONField(default=list)
    replies = models.JSONField(default=list)
    evidence = models.JSONField(default=list)

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "provider", "subject"],
                condition=Q(ended_at__isnull=True),
                name="alerts_block_open_once",
            )
        ]
        indexes = [
            models.Index(fields=["-started_at"], name="alerts_block_started"),
            models.Index(fields=["provider", "-started_at"], name="alerts_block_provider"),
            models.Index(fields=["subject", "-started_at"], name="alerts_block_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: since {self.started_at:%F %T}"

    @property
    def name(self) -> str:
        """Its name as the subject of an alert."""
        return f"{self.provider} {self.kind} {self.subject}".strip()


class BlockDetection(models.Model):
    """The state of the detection, one row: minutes before `until` are looked at.

    `cells` and `baseline` are state.py's. The row is the lock: who holds it evaluates.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    until = models.DateTimeField()
    cells = models.BinaryField()
    baseline = models.BinaryField()
    baseline_at = models.DateTimeField()
    dropped_cells = models.BigIntegerField(default=0)
    left_out_rows = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="alerts_blockdetection_one_row")
        ]

    def __str__(self) -> str:
        return f"until {self.until:%F %T}"
