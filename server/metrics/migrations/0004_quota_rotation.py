
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('metrics', '0003_processes_since'),
    ]

    operations = [
        migrations.AddField(
            model_name='wildducksample',
            name='quota_rotation',
            field=models.JSONField(null=True),
        ),
    ]
