"""Replies of remote servers by fingerprint: one as it came, its class, first and last seen."""

from django.db import migrations

CREATE = """CREATE TABLE replies (
  fingerprint text PRIMARY KEY,
  example text NOT NULL,
  bounce_class text NOT NULL,
  first_seen_at timestamptz NOT NULL,
  last_seen_at timestamptz NOT NULL
)"""


class Migration(migrations.Migration):
    dependencies = [("rollups", "0005_details")]

    operations = [migrations.RunSQL(CREATE, "DROP TABLE replies")]
