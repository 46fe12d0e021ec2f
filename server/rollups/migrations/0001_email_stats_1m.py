"""The 1-minute level. Its measures are those of the declaration at the time of this migration."""

from django.db import migrations

from server.rollups.mail import sql
from server.rollups.levels import ONE_MINUTE
from server.timescale.migrations_sql import hypertable


class Migration(migrations.Migration):
    initial = True
    dependencies = [("events", "0001_email_events")]

    operations = [
        migrations.RunSQL(sql.create_table(ONE_MINUTE), f"DROP TABLE {ONE_MINUTE.table}"),
        hypertable(ONE_MINUTE.table, "bucket", chunk_days=ONE_MINUTE.chunk_days),
    ]
