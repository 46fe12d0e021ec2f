"""The only writer of the table of sending IPs, and its reader.

A row is made of the levels, which have every address and nothing else of it, and of the newest raw
events, which have its node and zone. Both run each minute; running twice changes nothing. Without
models.py, which cannot be imported yet where the broker imports this.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction

from server.rollups.levels import DAILY, FIVE_MINUTES, OTHER, Level
from server.rollups.plan import DAY
from server.timescale.rows import fetch_rows

#: Events of an agent that was cut off may be so late; of these only the day is looked at.
LATE = timedelta(days=3)
#: So far back each run looks otherwise: what is quick to read.
LEVELS_LOOKED_BACK, EVENTS_LOOKED_BACK = timedelta(hours=2), timedelta(minutes=10)
#: More addresses than any cluster has; what a hostile sender reports beyond is not listed.
MAX_IPS = 50_000
#: Only one process writes at a time.
TRY_ALONE = "SELECT pg_try_advisory_xact_lock(hashtext('sending_ips'))"
READ = "SELECT host(ip), node, zone, first_used_at, last_used_at FROM sending_ips"
ADD = """INSERT INTO sending_ips AS stored (ip, node, zone, first_used_at, last_used_at)
SELECT * FROM ({rows}) AS seen (ip, node, zone, first_at, last_at)
LIMIT greatest(0, %(max)s - (SELECT count(*) FROM sending_ips))
ON CONFLICT (ip) DO NOTHING"""
UPDATE = """UPDATE sending_ips AS stored SET
  node = CASE WHEN seen.node <> '' THEN seen.node ELSE stored.node END,
  zone = CASE WHEN seen.node <> '' THEN seen.zone ELSE stored.zone END,
  first_used_at = least(stored.first_used_at, seen.first_at),
  last_used_at = greatest(stored.last_used_at, seen.last_at)
FROM ({rows}) AS seen (ip, node, zone, first_at, last_at) WHERE seen.ip = stored.ip"""
OF_LEVEL = f"""SELECT value::inet, '', '', min(bucket), max(bucket) FROM {{table}}
  WHERE dimension = 'sending_ip' AND direction = 'outbound' AND value NOT IN ('', '{OTHER}')
    AND bucket >= %(since)s::timestamptz AND bucket <= %(now)s::timestamptz GROUP BY 1"""  # noqa: S608
OF_EVENTS = """SELECT sending_ip, (array_agg(mta_node ORDER BY occurred_at DESC))[1],
    coalesce((array_agg(zone ORDER BY occurred_at DESC))[1], ''),
    min(occurred_at), max(occurred_at) FROM email_events
  WHERE direction = 'outbound' AND sending_ip IS NOT NULL
    AND occurred_at > %(since)s::timestamptz AND occurred_at <= %(now)s::timestamptz GROUP BY 1"""


class SeenIp(NamedTuple):
    """One address. `node`, `zone`: empty where they are not known."""

    ip: str
    node: str
    zone: str
    first_used_at: datetime
    last_used_at: datetime


def refresh(now: datetime) -> bool:
    """Bring the table up to date; return False where another process is at it."""
    with transaction.atomic():
        ((is_alone,),) = fetch_rows(TRY_ALONE)
        if not is_alone:
            return False
        ((has_rows,),) = fetch_rows("SELECT EXISTS (SELECT FROM sending_ips)")
        kept = timedelta(days=settings.RETENTION_DAYS[DAILY.table])
        # At first all that the levels still have, and the node and zone of what sent within a day.
        _write(_of_level(DAILY), now - (LATE if has_rows else kept), now)
        _write(_of_level(FIVE_MINUTES), now - LEVELS_LOOKED_BACK, now)
        _write(OF_EVENTS, now - (EVENTS_LOOKED_BACK if has_rows else DAY), now)
    return True


def list_ips() -> list[SeenIp]:
    """Return every address. Runs one query."""
    return [SeenIp(*row) for row in fetch_rows(f"{READ} ORDER BY ip")]


def list_ips_of(node: str) -> list[SeenIp]:
    """Return the addresses of one node, those used last first. Runs one query."""
    statement = f"{READ} WHERE node = %s ORDER BY last_used_at DESC, ip"
    return [SeenIp(*row) for row in fetch_rows(statement, [node])]


def find_ip(ip: str) -> SeenIp | None:
    """Return one address; None: it was never seen. Runs one query."""
    rows = fetch_rows(f"{READ} WHERE ip = %s::inet", [ip])
    return SeenIp(*rows[0]) if rows else None


def delete_old(now: datetime) -> int:
    """Delete addresses whose last use no level has any more; return how many."""
    oldest = now - timedelta(days=settings.RETENTION_DAYS[DAILY.table])
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM sending_ips WHERE last_used_at < %s", [oldest])
        return int(cursor.rowcount)


def _of_level(level: Level) -> str:
    return OF_LEVEL.format(table=level.table)


def _write(rows: str, since: datetime, now: datetime) -> None:
    values: dict[str, Any] = {"since": since, "now": now, "max": MAX_IPS}
    with connection.cursor() as cursor:
        for statement in (ADD, UPDATE):
            cursor.execute(statement.format(rows=rows), values)
