from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alerts', '0002_failing_rules'),
    ]

    operations = [
        migrations.CreateModel(
            name='Block',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('ip', 'IP'), ('provider', 'everybody'), ('sender', 'sender'), ('domain', 'domain')], max_length=16)),
                ('provider', models.CharField(max_length=255)),
                ('subject', models.CharField(blank=True, max_length=255)),
                ('started_at', models.DateTimeField()),
                ('found_at', models.DateTimeField()),
                ('permanent_at', models.DateTimeField(null=True)),
                ('refused_at', models.DateTimeField(help_text='When it last refused a message.')),
                ('ended_at', models.DateTimeField(null=True)),
                ('end_reason', models.CharField(blank=True, choices=[('taken', 'mail is taken again'), ('untried', 'nothing was tried for 7 days'), ('merged', 'it was part of a larger one')], max_length=16)),
                ('refused_count', models.BigIntegerField()),
                ('taken_count', models.BigIntegerField()),
                ('bounce_class', models.CharField(blank=True, max_length=16)),
                ('reply_fingerprint', models.CharField(blank=True, max_length=16)),
                ('reply', models.CharField(blank=True, max_length=500)),
                ('senders', models.JSONField(default=list)),
                ('domains', models.JSONField(default=list)),
                ('ips', models.JSONField(default=list)),
                ('replies', models.JSONField(default=list)),
                ('evidence', models.JSONField(default=list)),
            ],
            options={
                'ordering': ['-started_at'],
                'indexes': [models.Index(fields=['-started_at'], name='alerts_block_started'), models.Index(fields=['provider', '-started_at'], name='alerts_block_provider'), models.Index(fields=['subject', '-started_at'], name='alerts_block_subject')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at__isnull', True)), fields=('kind', 'provider', 'subject'), name='alerts_block_open_once')],
            },
        ),
        migrations.CreateModel(
            name='BlockDetection',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('until', models.DateTimeField()),
                ('cells', models.BinaryField()),
                ('baseline', models.BinaryField()),
                ('baseline_at', models.DateTimeField()),
                ('dropped_cells', models.BigIntegerField(default=0)),
                ('left_out_rows', models.BigIntegerField(default=0)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='alerts_blockdetection_one_row')],
            },
        ),
    ]
