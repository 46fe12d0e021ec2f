"""The levels of the samples: tables the writer keeps, or continuous aggregates.

Which of the two is decided by TimescaleDB's licence when this runs; see 0002_wider_levels.
"""

from django.db import migrations

from server.rollups import sample_keeping


def create(apps, schema_editor):
    for statement in sample_keeping.creation(schema_editor.connection):
        schema_editor.execute(statement, params=None)


def drop(apps, schema_editor):
    for statement in sample_keeping.removal(schema_editor.connection):
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [
        ("rollups", "0002_wider_levels"),
        ("metrics", "0002_programs"),
        ("mailqueues", "0001_snapshots"),
    ]

    operations = [migrations.RunPython(create, drop)]
