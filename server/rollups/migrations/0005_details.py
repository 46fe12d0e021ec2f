"""Marks of minutes whose details, providers and the like, are to be counted.

Minutes from before this have none; `manage.py rollups --rebuild` counts what their raw rows tell.
"""

from django.db import migrations

CREATE = """CREATE TABLE email_stats_due (
  bucket timestamptz NOT NULL,
  marked_at timestamptz NOT NULL DEFAULT now()
)"""


class Migration(migrations.Migration):
    dependencies = [
        ("rollups", "0004_sparse_histograms"),
        ("events", "0008_provider_and_class"),
    ]

    operations = [migrations.RunSQL(CREATE, "DROP TABLE email_stats_due")]
