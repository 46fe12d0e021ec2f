"""The only writer of email_events: a staging table, and the SQL that takes what is new in it."""

import io
from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from server.events.columns import NAMES

STAGING = "staged_email_events"
_COLUMNS = ", ".join(NAMES)
#: One staging table per database session, emptied by each commit.
CREATE_STAGING = f"""CREATE TEMPORARY TABLE IF NOT EXISTS {STAGING}
  (LIKE email_events INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"""
COPY_STAGING = f"COPY {STAGING} ({_COLUMNS}) FROM STDIN"
#: How far apart two sources may date the same event: the plugin stamps when it hears of it, the
#: change stream says what MongoDB wrote. The unique index alone needs equal times.
SAME_EVENT_WITHIN = "1 hour"

#: The staged rows that are new, in key order (no deadlock between workers). Of two that tell of
#: the same event the reported one is kept, then the earlier. The bounds are literals so that
#: TimescaleDB leaves out all chunks but those of the batch when it plans; the LIMIT keeps the
#: planner from joining with all that the last hour stored, which grows and grows.
INSERT_NEW = f"""INSERT INTO email_events ({_COLUMNS})
SELECT DISTINCT ON (event_id) {_COLUMNS} FROM {STAGING} AS staged
LEFT JOIN LATERAL (
  SELECT true AS known FROM email_events AS stored
  WHERE stored.event_id = staged.event_id
    AND stored.occurred_at BETWEEN %(oldest)s::timestamptz - interval '{SAME_EVENT_WITHIN}'
                               AND %(newest)s::timestamptz + interval '{SAME_EVENT_WITHIN}'
    AND stored.occurred_at BETWEEN staged.occurred_at - interval '{SAME_EVENT_WITHIN}'
                               AND staged.occurred_at + interval '{SAME_EVENT_WITHIN}'
  LIMIT 1) AS before ON true
WHERE before.known IS NULL
ORDER BY event_id, certainty = 'inferred', occurred_at
ON CONFLICT DO NOTHING"""  # noqa: S608 (names from columns.py only)


def stage(lines: Sequence[str]) -> dict[str, datetime]:
    """Copy COPY lines into this session's staging table; return the times they span.

    Must run inside the transaction that takes them. Raises django.db.Error for a line PostgreSQL
    refuses.
    """
    with connection.cursor() as cursor:
        cursor.execute(CREATE_STAGING)
        # psycopg2's own cursor: Django has no COPY, nor does it then translate the errors.
        with connection.wrap_database_errors:
            cursor.cursor.copy_expert(COPY_STAGING, io.StringIO("\n".join(lines) + "\n"))
        cursor.execute(f"SELECT min(occurred_at), max(occurred_at) FROM {STAGING}")  # noqa: S608
        oldest, newest = cursor.fetchone()
    return {"oldest": oldest, "newest": newest}
