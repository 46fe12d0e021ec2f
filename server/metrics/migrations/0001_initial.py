

import django.contrib.postgres.fields
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
            name='SystemSample',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('time', timescale.db.models.fields.TimescaleDateTimeField(interval='7 days')),
                ('cpu_percent', models.FloatField()),
                ('cpu_core_percents', django.contrib.postgres.fields.ArrayField(base_field=models.FloatField(), size=None)),
                ('ram_used_percent', models.FloatField()),
                ('ram_used_bytes', models.BigIntegerField()),
                ('ram_total_bytes', models.BigIntegerField()),
                ('disk_used_percent', models.FloatField()),
                ('disk_free_bytes', models.BigIntegerField()),
                ('disk_read_bytes_sec', models.FloatField(null=True)),
                ('disk_write_bytes_sec', models.FloatField(null=True)),
                ('net_rx_bytes_sec', models.FloatField(null=True)),
                ('net_tx_bytes_sec', models.FloatField(null=True)),
                ('net_rx_errors', models.BigIntegerField()),
                ('net_tx_errors', models.BigIntegerField()),
                ('load_1m', models.FloatField()),
                ('load_5m', models.FloatField()),
                ('load_15m', models.FloatField()),
                ('tcp_established', models.IntegerField()),
                ('tcp_time_wait', models.IntegerField()),
                ('open_files', models.BigIntegerField()),
                ('uptime_seconds', models.BigIntegerField()),
                ('node', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='nodes.node')),
            ],
            options={
                'db_table': 'metrics_system',
                'constraints': [models.UniqueConstraint(fields=('node', 'time'), name='metrics_system_once')],
            },
        ),
    ]
