

import server.ledger.models
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Epoch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('node', models.CharField(max_length=64)),
                ('epoch', models.CharField(max_length=64)),
                ('first_seq', models.BigIntegerField(help_text='The lowest number ever heard of.')),
                ('received', server.ledger.models.MultirangeField(help_text='Numbers accepted and stored, or refused with a reason.')),
                ('dropped', server.ledger.models.MultirangeField(help_text='Numbers the agent says it dropped: explained gaps.')),
                ('repeated_count', models.BigIntegerField(default=0, help_text='Numbers that came again.')),
                ('refused_count', models.BigIntegerField(default=0, help_text='Events the door refused.')),
                ('first_received_at', models.DateTimeField()),
                ('last_received_at', models.DateTimeField()),
            ],
            options={
                'ordering': ['node', '-last_received_at'],
                'constraints': [models.UniqueConstraint(fields=('node', 'epoch'), name='ledger_epoch_once')],
            },
        ),
    ]
