"""The levels of the samples: tables the writer keeps, or continuous aggregates.

Which of the two is decided by TimescaleDB's licence when this runs; see 0002_wider_levels.
"""

from django.db import migrations

from server.rollups.samples import maintainer as sample_maintainer


def create(apps, schema_editor):
    for statement in sample_maintainer.creation(schema_editor.connection):
        schema_editor.execute(statement, params=None)


def drop(apps, schema_editor):
    for statement in sample_maintainer.removal(schema_editor.connection):
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [
        ("rollups", "0002_wider_levels"),
        ("metrics", "0002_programs"),
        ("mailqueues", "0001_snapshots"),
    ]

    operations = [migrations.RunPython(create, drop)]
