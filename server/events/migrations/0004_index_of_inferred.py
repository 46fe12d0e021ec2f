"""An index of what was inferred: of a cluster whose plugins report it is next to nothing, and without
it the search for the few, or for none, reads all of its days (docs/storage.md).

Chunk by chunk, as in the migration before.
"""

from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("events", "0003_indexes_of_searches")]

    operations = [
        migrations.RunSQL(
            "DROP INDEX IF EXISTS email_events_inferred", migrations.RunSQL.noop
        ),
        migrations.RunSQL(
            """CREATE INDEX email_events_inferred ON email_events (occurred_at DESC)
  WITH (timescaledb.transaction_per_chunk) WHERE certainty = 'inferred'""",
            "DROP INDEX IF EXISTS email_events_inferred",
        ),
    ]
