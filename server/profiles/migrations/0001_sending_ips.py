from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='SendingIp',
            fields=[
                ('ip', models.GenericIPAddressField(primary_key=True, serialize=False)),
                ('node', models.TextField(db_default='', default='')),
                ('zone', models.TextField(db_default='', default='')),
                ('first_used_at', models.DateTimeField()),
                ('last_used_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'sending_ips',
                'indexes': [models.Index(fields=['node'], name='sending_ips_node')],
            },
        ),
    ]
