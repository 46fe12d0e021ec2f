"""Columns of the account behind a mail, of its cause, and of what happened at its mailbox."""

from django.db import migrations

# A new database has the columns already: the table is made of columns.py as it is today. Without a
# default, as compressed chunks take no other.
ADD = """ALTER TABLE email_events ADD COLUMN IF NOT EXISTS account text,
  ADD COLUMN IF NOT EXISTS account_name text,
  ADD COLUMN IF NOT EXISTS origin text,
  ADD COLUMN IF NOT EXISTS parent_id text,
  ADD COLUMN IF NOT EXISTS wildduck_id text,
  ADD COLUMN IF NOT EXISTS mailbox text,
  ADD COLUMN IF NOT EXISTS filter_outcome text,
  ADD COLUMN IF NOT EXISTS caused_queue_id text,
  ADD COLUMN IF NOT EXISTS protocol text,
  ADD COLUMN IF NOT EXISTS scope text"""


class Migration(migrations.Migration):
    dependencies = [("events", "0010_reply_classes")]

    operations = [migrations.RunSQL(ADD, migrations.RunSQL.noop)]
