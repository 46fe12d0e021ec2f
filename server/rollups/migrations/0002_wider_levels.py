"""The 5-minute, hourly and daily level: tables the writer keeps, or continuous aggregates.

Which of the two is decided by TimescaleDB's licence when this runs. Continuous aggregates are made
WITH NO DATA, which is allowed in a transaction, and real-time.
"""

from django.db import migrations

from server.rollups import maintainer


def create(apps, schema_editor):
    for statement in maintainer.creation(schema_editor.connection):
        schema_editor.execute(statement, params=None)


def drop(apps, schema_editor):
    for statement in maintainer.removal(schema_editor.connection):
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("rollups", "0001_email_stats_1m")]

    operations = [migrations.RunPython(create, drop)]
