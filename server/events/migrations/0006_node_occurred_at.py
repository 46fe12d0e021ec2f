"""The time of an event by its node's own clock, where that was wrong and is corrected."""

from django.db import migrations

# A new database has the column already: the table is made of columns.py as it is today.
ADD = "ALTER TABLE email_events ADD COLUMN IF NOT EXISTS node_occurred_at timestamptz"


class Migration(migrations.Migration):
    dependencies = [("events", "0005_no_model_of_email_events")]

    operations = [migrations.RunSQL(ADD, migrations.RunSQL.noop)]
