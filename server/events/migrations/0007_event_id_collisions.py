"""The count of events that came with the id of another node's event (docs/storage.md)."""

from django.db import migrations

CREATE = """CREATE TABLE event_id_collisions (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  events bigint NOT NULL,
  last_at timestamptz NOT NULL,
  last_node text NOT NULL
)"""


class Migration(migrations.Migration):
    dependencies = [("events", "0006_node_occurred_at")]

    operations = [migrations.RunSQL(CREATE, "DROP TABLE event_id_collisions")]
