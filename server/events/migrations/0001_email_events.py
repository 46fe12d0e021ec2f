"""The hypertable of raw events, with the indexes its questions need (docs/storage.md)."""

import django.contrib.postgres.fields
from django.db import migrations, models

from server.events.columns import COLUMNS
from server.timescale.migrations_sql import hypertable

COLUMN_SQL = ",\n  ".join(f"{column.name} {column.type}" for column in COLUMNS)
CREATE = f"""CREATE TABLE email_events (
  {COLUMN_SQL},
  received_at timestamptz NOT NULL DEFAULT now()
)"""
INDEXES = """
CREATE UNIQUE INDEX email_events_once ON email_events (event_id, occurred_at);
CREATE INDEX email_events_time ON email_events (occurred_at DESC);
CREATE INDEX email_events_to_domain ON email_events (to_domain, occurred_at DESC);
CREATE INDEX email_events_message_id ON email_events (message_id);
CREATE INDEX email_events_queue_id ON email_events (queue_id);
CREATE INDEX email_events_trouble ON email_events (event_type, occurred_at DESC)
  WHERE event_type <> 'delivered';
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []

    operations = [
        migrations.RunSQL(CREATE, "DROP TABLE email_events"),
        hypertable("email_events", "occurred_at", chunk_days=1),
        migrations.RunSQL(INDEXES, migrations.RunSQL.noop),  # dropped with their table
        # Django's view of the table; not managed, so this makes nothing in the database.
        migrations.CreateModel(
            name='EmailEvent',
            fields=[
                ('pk', models.CompositePrimaryKey('occurred_at', 'event_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('occurred_at', models.DateTimeField()),
                ('event_id', models.UUIDField()),
                ('event_type', models.TextField()),
                ('direction', models.TextField()),
                ('mta_node', models.TextField()),
                ('message_id', models.TextField(null=True)),
                ('queue_id', models.TextField(null=True)),
                ('queue_seq', models.TextField(null=True)),
                ('from_address', models.TextField(null=True)),
                ('from_user', models.TextField(null=True)),
                ('from_domain', models.TextField(null=True)),
                ('to_address', models.TextField(null=True)),
                ('to_domain', models.TextField(null=True)),
                ('sending_ip', models.GenericIPAddressField(null=True)),
                ('sending_ip_v6', models.GenericIPAddressField(null=True)),
                ('client_ip', models.GenericIPAddressField(null=True)),
                ('mx_host', models.TextField(null=True)),
                ('status_code', models.SmallIntegerField(null=True)),
                ('status_message', models.TextField(null=True)),
                ('delivery_time_ms', models.IntegerField(null=True)),
                ('queue_time_ms', models.BigIntegerField(null=True)),
                ('total_time_ms', models.BigIntegerField(null=True)),
                ('attempt', models.IntegerField(null=True)),
                ('bounce_type', models.TextField(null=True)),
                ('bounce_category', models.TextField(null=True)),
                ('bounce_message', models.TextField(null=True)),
                ('message_size_bytes', models.BigIntegerField(null=True)),
                ('has_attachment', models.BooleanField(null=True)),
                ('attachment_count', models.IntegerField(null=True)),
                ('subject_hash', models.TextField(null=True)),
                ('dkim_result', models.TextField(null=True)),
                ('spf_result', models.TextField(null=True)),
                ('dmarc_result', models.TextField(null=True)),
                ('spam_score', models.FloatField(null=True)),
                ('spam_action', models.TextField(null=True)),
                ('spam_symbols', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), null=True, size=None)),
                ('tls', models.TextField(null=True)),
                ('zone', models.TextField(null=True)),
                ('auth_user', models.TextField(null=True)),
                ('source', models.TextField()),
                ('certainty', models.TextField()),
                ('received_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'email_events',
                'managed': False,
            },
        ),
    ]
