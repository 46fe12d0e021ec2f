"""Names and addresses of accounts, beside the ids that WildDuck gives them."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('profiles', '0001_sending_ips'),
    ]

    operations = [
        migrations.CreateModel(
            name='AccountName',
            fields=[
                ('pk', models.CompositePrimaryKey('account', 'name', blank=True, editable=False, primary_key=True, serialize=False)),
                ('account', models.TextField()),
                ('name', models.TextField(db_index=True)),
                ('last_seen_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'account_names',
            },
        ),
    ]
