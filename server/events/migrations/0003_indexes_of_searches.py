"""Indexes chosen by what is searched for and what they cost the writer (docs/storage.md).

Chunk by chunk, each in a transaction of its own, so that writing goes on meanwhile; therefore not
atomic. A run that was cut short is repeated.
"""

from django.db import migrations

BY_CHUNK = "WITH (timescaledb.transaction_per_chunk)"
FAILURES = "'bounced', 'deferred', 'dropped', 'greylisted', 'rejected'"


def replace(new, definition, *, condition="", old=None, old_definition="", old_condition=""):
    """Return the operations that make an index and drop the one it replaces, and their reverse."""
    create = f"CREATE INDEX {new} ON email_events {definition} {BY_CHUNK} {condition}"
    operations = [
        migrations.RunSQL(f"DROP INDEX IF EXISTS {new}", migrations.RunSQL.noop),
        migrations.RunSQL(create, f"DROP INDEX IF EXISTS {new}"),
    ]
    if old:
        again = f"CREATE INDEX {old} ON email_events {old_definition} {BY_CHUNK} {old_condition}"
        operations.append(migrations.RunSQL(f"DROP INDEX IF EXISTS {old}", again))
    return operations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("events", "0002_replaces")]

    operations = [
        # Ids are looked up by equality alone: a hash is smaller, and cheaper to add to.
        *replace(
            "email_events_by_message_id", "USING hash (message_id)",
            old="email_events_message_id", old_definition="(message_id)",
        ),
        *replace(
            "email_events_by_queue_id", "USING hash (queue_id)",
            old="email_events_queue_id", old_definition="(queue_id)",
        ),
        *replace("email_events_from_domain", "(from_domain, occurred_at DESC)"),
        # What is sent or received is half of all rows, and found by time as soon.
        *replace(
            "email_events_failures", "(event_type, occurred_at DESC)",
            condition=f"WHERE event_type IN ({FAILURES})",
            old="email_events_trouble", old_definition="(event_type, occurred_at DESC)",
            old_condition="WHERE event_type <> 'delivered'",
        ),
    ]
