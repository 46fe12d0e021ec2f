"""Channels, routes, and the log of deliveries."""

from django.db import models

MAX_NAME_CHARS = 64
MAX_KIND_CHARS = 32
MAX_ERROR_CHARS = 300


class Channel(models.Model):
    """Where notifications can go. `values`: the fields that are no secrets; `secrets`: the others,
    encrypted.

    `claimed_until`: somebody sends by it until then; one at a time, so that the all-clear never
    overtakes the alarm. `claim`: whose.
    """

    name = models.CharField(max_length=MAX_NAME_CHARS, unique=True)
    kind = models.CharField(max_length=MAX_KIND_CHARS)
    values = models.JSONField(default=dict, blank=True)
    secrets = models.TextField(default="", blank=True, editable=False)
    is_enabled = models.BooleanField(default=True)
    #: More than so many within a minute come as one message.
    digest_over = models.PositiveSmallIntegerField(default=5)
    claimed_until = models.DateTimeField(null=True, editable=False)
    claim = models.CharField(max_length=64, default="", editable=False)

    class Meta:
        app_label = "alerts"
        db_table = "notification_channels"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class NotificationRoute(models.Model):
    """Which alerts go where. Routes are tried in the order of `position`; each channel is notified
    by the first route that names it.

    `steps`: [{"after_min": 0, "channels": [names]}, …]; the first is at once, the others while a
    critical alert is not acknowledged. `repeat_min`: the last step again and again; 0: never.
    In quiet hours what is not critical waits until their end.
    """

    name = models.CharField(max_length=MAX_NAME_CHARS, unique=True)
    position = models.PositiveIntegerField(default=0)
    rules = models.JSONField(default=list, blank=True)
    severities = models.JSONField(default=list, blank=True)
    node = models.CharField(max_length=64, blank=True)
    subject = models.CharField(max_length=400, blank=True)
    steps = models.JSONField(default=list)
    repeat_min = models.PositiveIntegerField(default=0)
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_to = models.TimeField(null=True, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")

    class Meta:
        app_label = "alerts"
        db_table = "notification_routes"
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name


class DeliveryAttempt(models.Model):
    """One attempt to send a notification. Only added. `error` is empty where it arrived."""

    notification = models.ForeignKey(
        "alerts.OutboxNotification", on_delete=models.CASCADE, related_name="attempts"
    )
    at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=MAX_ERROR_CHARS, blank=True)

    class Meta:
        app_label = "alerts"
        db_table = "delivery_attempts"
        ordering = ["at", "pk"]
        indexes = [models.Index(fields=["-at"], name="delivery_attempts_at")]

    def __str__(self) -> str:
        return f"{self.at:%F %T} {self.error or 'arrived'}"
