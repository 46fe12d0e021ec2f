"""The operator of the server that answered, and the class and the fingerprint of its reply."""

from django.db import migrations

# A new database has the columns already: the table is made of columns.py as it is today. Without a
# default, as compressed chunks take no other.
ADD = """ALTER TABLE email_events ADD COLUMN IF NOT EXISTS provider text,
  ADD COLUMN IF NOT EXISTS bounce_class text,
  ADD COLUMN IF NOT EXISTS reply_fingerprint text"""


class Migration(migrations.Migration):
    dependencies = [("events", "0007_event_id_collisions")]

    operations = [migrations.RunSQL(ADD, migrations.RunSQL.noop)]
