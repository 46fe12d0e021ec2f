
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0003_refused_numbers'),
    ]

    operations = [
        migrations.AddField(
            model_name='epoch',
            name='folded_dropped_count',
            field=models.BigIntegerField(db_default=0, default=0, help_text='The same of dropped ones.'),
        ),
        migrations.AddField(
            model_name='epoch',
            name='folded_missing_count',
            field=models.BigIntegerField(db_default=0, default=0, help_text='Missing numbers of old gaps, or of older epochs.'),
        ),
    ]
