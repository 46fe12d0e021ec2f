
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('metrics', '0004_quota_rotation'),
    ]

    operations = [
        migrations.AddField(
            model_name='systemsample',
            name='file_systems',
            field=models.JSONField(null=True),
        ),
    ]
