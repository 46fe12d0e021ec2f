
import django.db.models.deletion
import timescale.db.models.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('nodes', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='MailQueueSnapshot',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('time', timescale.db.models.fields.TimescaleDateTimeField(interval='1 day')),
                ('source', models.TextField(help_text='mongodb, or api: then only zones and totals are known.')),
                ('database', models.TextField(help_text="The same on each node that shares it; '': not known.")),
                ('instance', models.TextField(help_text="Which of the shares is this node's.", null=True)),
                ('active_count', models.BigIntegerField()),
                ('deferred_count', models.BigIntegerField()),
                ('locked_count', models.BigIntegerField(null=True)),
                ('oldest_created_at', models.DateTimeField(null=True)),
                ('zones', models.JSONField()),
                ('ages', models.JSONField(null=True)),
                ('shares', models.JSONField(null=True)),
                ('reasons', models.JSONField(null=True)),
                ('reasons_of_count', models.BigIntegerField(null=True)),
                ('destinations', models.JSONField(null=True)),
                ('other_destinations', models.JSONField(null=True)),
                ('destinations_of_count', models.BigIntegerField(null=True)),
                ('node', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='nodes.node')),
            ],
            options={
                'db_table': 'mail_queue_snapshots',
                'constraints': [models.UniqueConstraint(fields=('node', 'time'), name='mail_queue_snapshots_once')],
            },
        ),
    ]
