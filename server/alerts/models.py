"""Alerts, their history, incidents, silences, and the outbox of notifications."""

from django.db import models
from django.db.models import Q

from server.alerts.blocks.models import Block, BlockDetection
from server.alerts.notifications.models import Channel, DeliveryAttempt, NotificationRoute

# Django looks for an app's models here.
__all__ = ["Block", "BlockDetection", "Channel", "DeliveryAttempt", "NotificationRoute"]

#: Bounds of texts: of a subject's name with its node's, of a sentence, of a person's words.
MAX_SUBJECT_CHARS, MAX_TEXT_CHARS, MAX_WORDS_CHARS = 400, 500, 2_000
MAX_NAME_CHARS = 64


class Severity(models.TextChoices):
    """How urgent a rule is."""

    WARNING = "warning", "warning"
    CRITICAL = "critical", "critical"


class State(models.TextChoices):
    """State of one subject under one rule; `ok` is never stored."""

    OK = "ok", "ok"
    PENDING = "pending", "pending"
    FIRING = "firing", "firing"
    RECOVERING = "recovering", "recovering"
    NO_DATA = "no_data", "no data"


class Suppression(models.TextChoices):
    """Why nobody is notified of an alert that fires."""

    NONE = "", "not suppressed"
    INHIBITED = "inhibited", "another alert is its cause"
    MUTED = "muted", "its rule is muted"
    MAINTENANCE = "maintenance", "its node is in maintenance"
    SILENCED = "silenced", "a silence matches it"
    SNOOZED = "snoozed", "its incident is snoozed"


class Incident(models.Model):
    """Alerts with one cause at one time. Open while any of them is.

    `cause`: the rule of its first alert. `merged_into`: the incident whose alert turned out to be
    the cause of this one's.
    """

    cause = models.CharField(max_length=MAX_NAME_CHARS)
    severity = models.CharField(max_length=16, choices=Severity.choices)
    text = models.CharField(max_length=MAX_TEXT_CHARS)
    started_at = models.DateTimeField()
    #: When the last alert joined: those of the same rule join for a while after it.
    joined_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    merged_into = models.ForeignKey("self", on_delete=models.SET_NULL, null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    snoozed_until = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-started_at"]
        indexes = [
            models.Index(fields=["-started_at"], name="alerts_incident_started"),
            models.Index(
                fields=["cause"], name="alerts_incident_open", condition=Q(ended_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.text}"


class Alert(models.Model):
    """One subject under one rule from its first pending second to its all-clear.

    `subject`: by its kind, unique with it, `node` where it is of one. `since`: of the state.
    `fired_at`: None while it never fired, also of a subject whose source is stale. `ended_at`: None
    while it is open; there is one open alert for each rule and subject.
    """

    rule = models.CharField(max_length=MAX_NAME_CHARS)
    severity = models.CharField(max_length=16, choices=Severity.choices)
    kind = models.CharField(max_length=32)
    subject = models.CharField(max_length=MAX_SUBJECT_CHARS)
    node = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=16, choices=State.choices)
    since = models.DateTimeField()
    started_at = models.DateTimeField()
    fired_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    value = models.FloatField(null=True)
    text = models.CharField(max_length=MAX_TEXT_CHARS, blank=True)
    evidence = models.JSONField(default=dict)
    incident = models.ForeignKey(
        Incident, on_delete=models.SET_NULL, null=True, related_name="alerts"
    )
    inhibited_by = models.ForeignKey("self", on_delete=models.SET_NULL, null=True)
    suppression = models.CharField(max_length=16, choices=Suppression.choices, blank=True)
    #: When its notification was decided; the all-clear follows only where there was one.
    notified_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "kind", "subject"],
                condition=Q(ended_at__isnull=True),
                name="alerts_alert_open_once",
            )
        ]
        indexes = [models.Index(fields=["-started_at"], name="alerts_alert_started")]

    def __str__(self) -> str:
        return f"{self.rule} {self.subject}: {self.state}"


class AlertTransition(models.Model):
    """A flip of an alert, with its evidence. Only added, never changed.

    `to_state` `ok` is the all-clear. Two equal states: its suppression changed, to `suppression`.
    """

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="transitions")
    at = models.DateTimeField()
    from_state = models.CharField(max_length=16, choices=State.choices)
    to_state = models.CharField(max_length=16, choices=State.choices)
    suppression = models.CharField(max_length=16, choices=Suppression.choices, blank=True)
    value = models.FloatField(null=True)
    text = models.CharField(max_length=MAX_TEXT_CHARS, blank=True)
    evidence = models.JSONField(default=dict)

    class Meta:
        ordering = ["at", "pk"]
        indexes = [models.Index(fields=["at"], name="alerts_transition_at")]

    def __str__(self) -> str:
        return f"{self.alert_id} {self.from_state} → {self.to_state} {self.at:%F %T}"


class IncidentNote(models.Model):
    """Something a person did to an incident, or wrote about it. Only added."""

    class Kind(models.TextChoices):
        """Kinds of notes."""

        COMMENT = "comment", "commented"
        ACKNOWLEDGED = "acknowledged", "acknowledged"
        SNOOZED = "snoozed", "snoozed"
        REOPENED = "reopened", "took the acknowledgement or snooze back"

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="notes")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    at = models.DateTimeField()
    author = models.CharField(max_length=150)
    text = models.CharField(max_length=MAX_WORDS_CHARS, blank=True)

    class Meta:
        ordering = ["at", "pk"]

    def __str__(self) -> str:
        return f"{self.author} {self.kind} {self.incident_id}"


class Silence(models.Model):
    """Nobody is notified of what it matches until it ends. Empty matchers match everything.

    In `node` and `subject`, `*` stands for any text.
    """

    rule = models.CharField(max_length=MAX_NAME_CHARS, blank=True)
    severity = models.CharField(max_length=16, choices=Severity.choices, blank=True)
    node = models.CharField(max_length=64, blank=True)
    subject = models.CharField(max_length=MAX_SUBJECT_CHARS, blank=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=MAX_WORDS_CHARS)
    author = models.CharField(max_length=150)

    class Meta:
        ordering = ["-ends_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=models.F("starts_at")), name="alerts_silence_ends"
            )
        ]

    def __str__(self) -> str:
        matchers = (self.rule, self.severity, self.node, self.subject)
        return f"{' '.join(filter(None, matchers)) or 'everything'} until {self.ends_at:%F %T}"


class MutedRule(models.Model):
    """A rule that notifies nobody until somebody unmutes it. Its alerts stay visible."""

    rule = models.CharField(max_length=MAX_NAME_CHARS, unique=True)
    at = models.DateTimeField()
    author = models.CharField(max_length=150)
    reason = models.CharField(max_length=MAX_WORDS_CHARS)

    def __str__(self) -> str:
        return self.rule


class RuleDefinition(models.Model):
    """A rule that people defined: other figures of a default rule, or a rule of its own.

    `fields`: as they are written, numbers in the units of the condition's parameters. `file`: the
    rule file it stands in; empty: it was made by the form or the API.
    """

    name = models.CharField(max_length=MAX_NAME_CHARS, unique=True)
    fields = models.JSONField(default=dict)
    file = models.CharField(max_length=MAX_NAME_CHARS, blank=True)
    changed_at = models.DateTimeField()
    author = models.CharField(max_length=150)

    def __str__(self) -> str:
        return self.name


class RuleChange(models.Model):
    """A change of a rule's definition: who made it, and what was before and after. Only added."""

    rule = models.CharField(max_length=MAX_NAME_CHARS)
    at = models.DateTimeField()
    author = models.CharField(max_length=150)
    text = models.CharField(max_length=MAX_WORDS_CHARS)

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["rule", "-at"], name="alerts_rulechange_rule")]

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"


class Evaluation(models.Model):
    """The rounds of the evaluator: one row, written in the transaction of each round.

    `resumed_at`: since when rounds follow each other without a gap; what no round saw says nothing
    about nodes. `duration_ms` and `queries_count` are of the last round.
    """

    started_at = models.DateTimeField()
    resumed_at = models.DateTimeField()
    rounds_count = models.BigIntegerField(default=0)
    duration_ms = models.FloatField(default=0.0)
    queries_count = models.IntegerField(default=0)
    evaluator = models.CharField(max_length=255, blank=True)
    #: Rule → why it could not be evaluated in the last round.
    failures = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.started_at:%F %T} by {self.evaluator}"


class OutboxNotification(models.Model):
    """A notification that was decided and has to be sent: the outbox.

    Written in the transaction of the flip it is about, so that there is no flip without its
    notification and no notification without its flip. Whoever sends claims it by a conditional
    update of `state` from `waiting` to `sending` where `next_attempt_at` has passed, and hands
    `idempotency_key` on to the receiving end: it is the same however often it is attempted, and no
    two notifications have the same.
    """

    class Kind(models.TextChoices):
        """Kinds of notifications."""

        FIRING = "firing", "firing"
        RESOLVED = "resolved", "all-clear"
        REPEATED = "repeated", "still firing, and nobody has acknowledged it"
        ESCALATED = "escalated", "escalated to the next person"
        TEST = "test", "test"

    class Delivery(models.TextChoices):
        """States of a delivery."""

        WAITING = "waiting", "waits"
        SENDING = "sending", "is being sent"
        SENT = "sent", "sent"
        GIVEN_UP = "given_up", "given up"

    transition = models.ForeignKey(
        AlertTransition, on_delete=models.CASCADE, null=True, related_name="notifications"
    )
    incident = models.ForeignKey(
        Incident, on_delete=models.CASCADE, null=True, related_name="notifications"
    )
    kind = models.CharField(max_length=16, choices=Kind.choices)
    route = models.CharField(max_length=MAX_NAME_CHARS)
    channel = models.CharField(max_length=MAX_NAME_CHARS)
    idempotency_key = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=Delivery.choices, default=Delivery.WAITING)
    next_attempt_at = models.DateTimeField()
    #: The one whose message says this too, where many came at once.
    digest = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, related_name="digested"
    )
    claimed_at = models.DateTimeField(null=True)
    attempts_count = models.IntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=MAX_WORDS_CHARS, blank=True)

    class Meta:
        db_table = "notifications"
        ordering = ["created_at", "pk"]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                name="notifications_due",
                condition=Q(state__in=["waiting", "sending"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} by {self.channel}: {self.state}"
