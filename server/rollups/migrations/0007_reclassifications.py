"""Requests to reclassify stored events."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ('rollups', '0006_replies'),
    ]

    operations = [
        migrations.CreateModel(
            name='Reclassification',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('first_day', models.DateField()),
                ('last_day', models.DateField()),
                ('next_day', models.DateField()),
                ('changed_count', models.BigIntegerField(default=0)),
                ('author', models.CharField(max_length=150)),
                ('requested_at', models.DateTimeField()),
                ('progressed_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('failure', models.CharField(blank=True, max_length=300)),
                ('is_open', models.BooleanField(default=True)),
            ],
            options={
                'db_table': 'reclassifications',
                'ordering': ['-requested_at'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('is_open', True)), fields=('is_open',), name='reclassifications_open_once')],
            },
        ),
    ]
