"""Bins of histograms that nothing fell into are NULL: two thirds of a row of a level were zeros.

Rows that are there keep their zeros, which add up as well; they go with their retention, or with
`manage.py rollups --rebuild`. Continuous aggregates add up NULLs as they are.
"""

from django.db import migrations

from server.rollups import maintainer
from server.rollups.levels import MEASURES

SPARSE = [measure.column for measure in MEASURES if measure.sparse]


def allow_null(apps, schema_editor):
    changes = ", ".join(f"ALTER {c} DROP NOT NULL, ALTER {c} DROP DEFAULT" for c in SPARSE)
    for level in maintainer.written_levels():
        schema_editor.execute(f"ALTER TABLE {level.table} {changes}")


def put_zeros(apps, schema_editor):
    zeros = ", ".join(f"{c} = coalesce({c}, 0)" for c in SPARSE)
    changes = ", ".join(f"ALTER {c} SET DEFAULT 0, ALTER {c} SET NOT NULL" for c in SPARSE)
    for level in maintainer.written_levels():
        schema_editor.execute(f"UPDATE {level.table} SET {zeros}")
        schema_editor.execute(f"ALTER TABLE {level.table} {changes}")


class Migration(migrations.Migration):
    dependencies = [("rollups", "0003_sample_levels")]

    operations = [migrations.RunPython(allow_null, put_zeros)]
