

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Node',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=64, unique=True)),
                ('hostname', models.CharField(blank=True, max_length=255)),
                ('role', models.CharField(blank=True, help_text='Such as zonemta-outbound.', max_length=64)),
                ('addresses', models.JSONField(blank=True, default=list)),
                ('agent_version', models.CharField(blank=True, max_length=32)),
                ('versions', models.JSONField(blank=True, default=dict, help_text='Program name to version.')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('registered_at', models.DateTimeField(blank=True, null=True)),
                ('last_seen_at', models.DateTimeField(blank=True, help_text='When the server last took a sample, by its own clock.', null=True)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='ApiKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text='Who holds it.', max_length=100)),
                ('prefix', models.CharField(editable=False, max_length=12, unique=True)),
                ('secret_hash', models.CharField(editable=False, max_length=64)),
                ('scope', models.CharField(choices=[('agent', 'agent: register, samples and events'), ('webhook', 'webhook: events only'), ('read', 'read: the read API')], default='agent', max_length=16)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('last_used_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('node', models.ForeignKey(blank=True, help_text='The only node this key may speak for. Empty: any node.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='keys', to='nodes.node')),
            ],
            options={
                'verbose_name': 'API key',
                'ordering': ['name'],
            },
        ),
    ]
