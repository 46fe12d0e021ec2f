"""Indexes of a trace, which joins mail by its causes, and of accounts (docs/storage.md).

Chunk by chunk, each in a transaction of its own, so that writing goes on meanwhile; therefore not
atomic. A run that was cut short is repeated.
"""

from django.db import migrations

CREATE = """CREATE INDEX {name} ON email_events {columns}
  WITH (timescaledb.transaction_per_chunk) WHERE {column} IS NOT NULL"""


def index(name, column, columns):
    """Return the operations that make an index of the rows that have a column, and their reverse."""
    drop = f"DROP INDEX IF EXISTS {name}"
    create = CREATE.format(name=name, column=column, columns=columns)
    return [
        migrations.RunSQL(drop, migrations.RunSQL.noop),
        migrations.RunSQL(create, drop),
    ]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("events", "0012_accounts_and_mailboxes")]

    operations = [
        # Ids are looked up by equality alone: a hash is smaller, and cheaper to add to.
        *index("email_events_by_parent_id", "parent_id", "USING hash (parent_id)"),
        *index("email_events_by_wildduck_id", "wildduck_id", "USING hash (wildduck_id)"),
        *index(
            "email_events_by_caused_queue_id", "caused_queue_id", "USING hash (caused_queue_id)"
        ),
        *index("email_events_account", "account", "(account, occurred_at DESC)"),
    ]
