"""Channels, routes, and the log of deliveries."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0003_blocks"),
    ]

    operations = [
        migrations.CreateModel(
            name="Channel",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=64, unique=True)),
                ("kind", models.CharField(max_length=32)),
                ("values", models.JSONField(blank=True, default=dict)),
                ("secrets", models.TextField(blank=True, default="", editable=False)),
                ("is_enabled", models.BooleanField(default=True)),
                ("digest_over", models.PositiveSmallIntegerField(default=5)),
                ("claimed_until", models.DateTimeField(editable=False, null=True)),
                ("claim", models.CharField(default="", editable=False, max_length=64)),
            ],
            options={
                "db_table": "notification_channels",
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="NotificationRoute",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=64, unique=True)),
                ("position", models.PositiveIntegerField(default=0)),
                ("rules", models.JSONField(blank=True, default=list)),
                ("severities", models.JSONField(blank=True, default=list)),
                ("node", models.CharField(blank=True, max_length=64)),
                ("subject", models.CharField(blank=True, max_length=400)),
                ("steps", models.JSONField(default=list)),
                ("repeat_min", models.PositiveIntegerField(default=0)),
                ("quiet_from", models.TimeField(blank=True, null=True)),
                ("quiet_to", models.TimeField(blank=True, null=True)),
                ("time_zone", models.CharField(default="UTC", max_length=64)),
            ],
            options={
                "db_table": "notification_routes",
                "ordering": ["position", "name"],
            },
        ),
        migrations.AddField(
            model_name="outboxnotification",
            name="digest",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="digested",
                to="alerts.outboxnotification",
            ),
        ),
        migrations.CreateModel(
            name="DeliveryAttempt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("duration_ms", models.PositiveIntegerField()),
                ("status", models.PositiveSmallIntegerField(null=True)),
                ("error", models.CharField(blank=True, max_length=300)),
                (
                    "notification",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attempts",
                        to="alerts.outboxnotification",
                    ),
                ),
            ],
            options={
                "db_table": "delivery_attempts",
                "ordering": ["at", "pk"],
                "indexes": [models.Index(fields=["-at"], name="delivery_attempts_at")],
            },
        ),
    ]
