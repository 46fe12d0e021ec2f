"""The classes of replies that people assigned."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("events", "0009_indexes_of_refusals")]

    operations = [
        migrations.CreateModel(
            name="ReplyClass",
            fields=[
                ("fingerprint", models.CharField(editable=False, help_text="Of the example; made by itself.", max_length=16, primary_key=True, serialize=False)),
                ("example", models.CharField(help_text="A reply, as a remote server sent it.", max_length=500)),
                ("bounce_class", models.CharField(choices=[(name, name) for name in ("recipient", "full", "size", "sender", "rate", "greylisted", "reputation", "content", "authentication", "policy", "network", "protocol", "other")], help_text="docs/replies.md defines each.", max_length=16, verbose_name="class")),
                ("assigned_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "verbose_name": "class of a reply",
                "verbose_name_plural": "classes of replies",
                "db_table": "reply_classes",
            },
        ),
    ]  # fmt: skip
