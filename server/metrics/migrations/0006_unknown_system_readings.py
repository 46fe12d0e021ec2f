# Samples with a reading that cannot be read were refused before; now that reading is NULL.
# On compressed hypertables this needs TimescaleDB 2.18.

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('metrics', '0005_file_systems'),
    ]

    operations = [
        migrations.AlterField(
            model_name='systemsample',
            name='cpu_percent',
            field=models.FloatField(null=True),
        ),
        migrations.AlterField(
            model_name='systemsample',
            name='disk_free_bytes',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name='systemsample',
            name='disk_used_percent',
            field=models.FloatField(null=True),
        ),
        migrations.AlterField(
            model_name='systemsample',
            name='load_15m',
            field=models.FloatField(null=True),
        ),
        migrations.AlterField(
            model_name='systemsample',
            name='load_1m',
            field=models.FloatField(null=True),
        ),
        migrations.AlterField(
            model_name='systemsample',
            name='load_5m',
            field=models.FloatField(null=True),
        ),
        migrations.AlterField(
            model_name='systemsample',
            name='net_rx_errors',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name='systemsample',
            name='net_tx_errors',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name='systemsample',
            name='open_files',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name='systemsample',
            name='ram_total_bytes',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name='systemsample',
            name='ram_used_bytes',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name='systemsample',
            name='ram_used_percent',
            field=models.FloatField(null=True),
        ),
        migrations.AlterField(
            model_name='systemsample',
            name='tcp_established',
            field=models.IntegerField(null=True),
        ),
        migrations.AlterField(
            model_name='systemsample',
            name='tcp_time_wait',
            field=models.IntegerField(null=True),
        ),
        migrations.AlterField(
            model_name='systemsample',
            name='uptime_seconds',
            field=models.BigIntegerField(null=True),
        ),
        # Backwards these go: the version before has no place for them.
        migrations.RunSQL(
            "",
            "DELETE FROM metrics_system WHERE num_nulls("
            + ", ".join(
                [
                    'cpu_percent',
                    'disk_free_bytes',
                    'disk_used_percent',
                    'load_15m',
                    'load_1m',
                    'load_5m',
                    'net_rx_errors',
                    'net_tx_errors',
                    'open_files',
                    'ram_total_bytes',
                    'ram_used_bytes',
                    'ram_used_percent',
                    'tcp_established',
                    'tcp_time_wait',
                    'uptime_seconds',
                ]
            )
            + ") > 0",
        ),
    ]
