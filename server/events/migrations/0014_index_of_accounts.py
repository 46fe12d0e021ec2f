"""An index of refused outbound mail by account in the place of that by submitting user, and one of
logins, which are looked through each minute (docs/storage.md).

Chunk by chunk, each in a transaction of its own, so that writing goes on meanwhile; therefore not
atomic. A run that was cut short is repeated. Backwards the index is made at once.
"""

from django.db import migrations

OPTIONS = "WITH (timescaledb.transaction_per_chunk)"
REFUSED = """CREATE INDEX email_events_refused_{column} ON email_events
  ({column}, occurred_at DESC) {options}
  WHERE direction = 'outbound' AND event_type IN ('bounced', 'deferred', 'rejected')"""
LOGINS = f"""CREATE INDEX email_events_logins ON email_events (occurred_at DESC) {OPTIONS}
  WHERE event_type IN ('login', 'login_failed')"""
DROP = "DROP INDEX IF EXISTS email_events_{}"


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("events", "0013_indexes_of_causes")]

    operations = [
        migrations.RunSQL(DROP.format("refused_account"), migrations.RunSQL.noop),
        migrations.RunSQL(REFUSED.format(column="account", options=OPTIONS), DROP.format("refused_account")),
        migrations.RunSQL(
            DROP.format("refused_auth_user"), REFUSED.format(column="auth_user", options="")
        ),
        migrations.RunSQL(DROP.format("logins"), migrations.RunSQL.noop),
        migrations.RunSQL(LOGINS, DROP.format("logins")),
    ]
