"""The inferred outcome that a reported one takes the place of (docs/capture.md)."""

from django.db import migrations, models

# A new database has the column already: the table is made of columns.py as it is today.
ADD = "ALTER TABLE email_events ADD COLUMN IF NOT EXISTS replaces uuid"
# Few events have one, so the index is next to nothing; a writer asks it of inferred outcomes.
INDEX = """CREATE INDEX email_events_replaces ON email_events (replaces)
  WHERE replaces IS NOT NULL"""


class Migration(migrations.Migration):
    dependencies = [("events", "0001_email_events")]

    operations = [
        migrations.RunSQL(
            ADD,
            migrations.RunSQL.noop,
            state_operations=[
                migrations.AddField(
                    model_name="emailevent",
                    name="replaces",
                    field=models.UUIDField(null=True),
                ),
            ],
        ),
        migrations.RunSQL(INDEX, "DROP INDEX email_events_replaces"),
    ]
