"""The hypertable email_events as a Django model; server/storage writes it, queries.py reads it."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class EmailEvent(models.Model):
    """One event. The table is made by a migration from columns.py; Django does not manage it.

    Not managed, because django-timescaledb drops every primary key of a model with its field, and
    the unique key is what keeps a row from being stored twice.
    """

    pk = models.CompositePrimaryKey("occurred_at", "event_id")
    occurred_at = models.DateTimeField()
    event_id = models.UUIDField()
    event_type = models.TextField()
    direction = models.TextField()
    mta_node = models.TextField()
    message_id = models.TextField(null=True)
    queue_id = models.TextField(null=True)
    queue_seq = models.TextField(null=True)
    from_address = models.TextField(null=True)
    from_user = models.TextField(null=True)
    from_domain = models.TextField(null=True)
    to_address = models.TextField(null=True)
    to_domain = models.TextField(null=True)
    sending_ip = models.GenericIPAddressField(null=True)
    sending_ip_v6 = models.GenericIPAddressField(null=True)
    client_ip = models.GenericIPAddressField(null=True)
    mx_host = models.TextField(null=True)
    status_code = models.SmallIntegerField(null=True)
    status_message = models.TextField(null=True)
    delivery_time_ms = models.IntegerField(null=True)
    queue_time_ms = models.BigIntegerField(null=True)
    total_time_ms = models.BigIntegerField(null=True)
    attempt = models.IntegerField(null=True)
    bounce_type = models.TextField(null=True)
    bounce_category = models.TextField(null=True)
    bounce_message = models.TextField(null=True)
    message_size_bytes = models.BigIntegerField(null=True)
    has_attachment = models.BooleanField(null=True)
    attachment_count = models.IntegerField(null=True)
    subject_hash = models.TextField(null=True)
    dkim_result = models.TextField(null=True)
    spf_result = models.TextField(null=True)
    dmarc_result = models.TextField(null=True)
    spam_score = models.FloatField(null=True)
    spam_action = models.TextField(null=True)
    spam_symbols = ArrayField(models.TextField(), null=True)
    tls = models.TextField(null=True)
    zone = models.TextField(null=True)
    auth_user = models.TextField(null=True)
    source = models.TextField()
    certainty = models.TextField()
    replaces = models.UUIDField(null=True)
    received_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "email_events"

    def __str__(self) -> str:
        return f"{self.event_type} {self.queue_id} {self.to_address}"
