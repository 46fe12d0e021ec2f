"""Indexes of refused outbound mail by provider, destination, sending IP, sending domain and account:
the pages of these read the newest refusals, which are a few in a hundred rows (docs/storage.md).

Chunk by chunk, each in a transaction of its own, so that writing goes on meanwhile; therefore not
atomic. A run that was cut short is repeated.
"""

from django.db import migrations

CREATE = """CREATE INDEX {name} ON email_events ({column}, occurred_at DESC)
  WITH (timescaledb.transaction_per_chunk)
  WHERE direction = 'outbound' AND event_type IN ('bounced', 'deferred', 'rejected')"""
COLUMNS = ("provider", "to_domain", "sending_ip", "from_domain", "auth_user")


def index(column):
    """Return the operations that make the index of a column, and their reverse."""
    name = f"email_events_refused_{column}"
    drop = f"DROP INDEX IF EXISTS {name}"
    return [
        migrations.RunSQL(drop, migrations.RunSQL.noop),
        migrations.RunSQL(CREATE.format(name=name, column=column), drop),
    ]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("events", "0008_provider_and_class")]

    operations = [operation for column in COLUMNS for operation in index(column)]
