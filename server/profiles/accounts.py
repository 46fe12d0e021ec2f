"""The only writer of the table of account names, and its reader.

One user is known by WildDuck's id, by the user name that logs in and by the main address: whatever
wrote an event knew one of them or two. Refreshed each minute; running twice changes nothing.
Without models.py, which cannot be imported yet where the broker imports this.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from server.rollups.levels import DAILY
from server.timescale.rows import fetch_rows

#: So far back each run looks: what is quick to read, and longer than a restart takes.
LOOKED_BACK = timedelta(minutes=10)
#: More names than most clusters have; what a hostile sender reports beyond is not listed.
MAX_NAMES = 500_000
#: Names of one account that are looked for.
MAX_SPELLINGS = 20
#: Only one process writes at a time.
TRY_ALONE = "SELECT pg_try_advisory_xact_lock(hashtext('account_names'))"
WRITE = """INSERT INTO account_names AS stored (account, name, last_seen_at)
SELECT * FROM (
  SELECT account, account_name, max(occurred_at) FROM email_events
  WHERE account IS NOT NULL AND account_name IS NOT NULL AND account <> account_name
    AND occurred_at > %(since)s::timestamptz AND occurred_at <= %(now)s::timestamptz
  GROUP BY 1, 2
  LIMIT greatest(0, %(max)s - (SELECT count(*) FROM account_names))
) AS seen
ON CONFLICT (account, name) DO UPDATE
  SET last_seen_at = greatest(stored.last_seen_at, EXCLUDED.last_seen_at)
  WHERE EXCLUDED.last_seen_at > stored.last_seen_at + interval '1 hour'"""
#: The accounts that go by a name, and all names of these.
SPELLINGS = """WITH named AS (
  SELECT account FROM account_names WHERE name = %(name)s OR account = %(name)s LIMIT %(limit)s
)
SELECT account FROM named UNION
SELECT name FROM account_names WHERE account IN (SELECT account FROM named)
LIMIT %(limit)s"""
NAMES = """SELECT account, string_agg(name, ', ' ORDER BY last_seen_at DESC, name)
FROM account_names WHERE account = ANY(%(accounts)s::text[]) GROUP BY 1"""


def refresh(now: datetime) -> bool:
    """Bring the table up to date; return False where another process is at it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(TRY_ALONE)
        if not cursor.fetchone()[0]:
            return False
        cursor.execute(WRITE, {"since": now - LOOKED_BACK, "now": now, "max": MAX_NAMES})
    return True


def find_spellings(name: str) -> list[str]:
    """Return the name and what else its account goes by. Runs one query."""
    rows = fetch_rows(SPELLINGS, {"name": name, "limit": MAX_SPELLINGS})
    return list(dict.fromkeys([name, *sorted(each for (each,) in rows)]))


def find_names(accounts: Collection[str]) -> dict[str, str]:
    """Return what these accounts go by beside their ids, as text. Runs one query."""
    return dict(fetch_rows(NAMES, {"accounts": list(accounts)}))


def delete_old(now: datetime) -> int:
    """Delete names that were seen last before what any level counts; return how many."""
    oldest = now - timedelta(days=settings.RETENTION_DAYS[DAILY.table])
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM account_names WHERE last_seen_at < %s", [oldest])
        return int(cursor.rowcount)
