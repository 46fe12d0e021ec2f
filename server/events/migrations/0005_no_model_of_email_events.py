"""Drop the model that only described the table; the table stays as it is, either way."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("events", "0004_index_of_inferred")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.DeleteModel(name="EmailEvent")],
        ),
    ]
