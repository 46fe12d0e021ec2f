
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('metrics', '0002_programs'),
    ]

    operations = [
        migrations.AddField(
            model_name='processsample',
            name='processes_count',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='processsample',
            name='started_at',
            field=models.DateTimeField(null=True),
        ),
    ]
