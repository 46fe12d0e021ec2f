"""The table of replies, kept with the counts of the details, and the replies of a range.

Counts by fingerprint are those of the levels; what a fingerprint stands for is in the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from server.events.replies import normalize
from server.rollups.levels import DAILY, DETAILS, IS_NULL_SENDER, OTHER
from server.rollups.mail.level_query import LevelQuery, fast_sum
from server.timescale.rows import fetch_rows

#: So many are kept from one housekeeping to the next, those seen last; of a minute, as many as the
#: levels name. What is beyond is counted in mallard_unnamed_events.
MAX_REPLIES = 50_000
MAX_OF_MINUTE = DETAILS["provider_reply"][1]
TABLE = "replies"
KNOWN = f"""SELECT fingerprint, bounce_class, example, first_seen_at, last_seen_at
FROM {TABLE} WHERE fingerprint = ANY(%s)"""  # noqa: S608


def record(source: str) -> str:
    """Return the statement that enters the most frequent replies of raw rows, those of %(minutes)s.
    Safe to run twice."""
    return f"""INSERT INTO {TABLE} AS stored
  (fingerprint, example, bounce_class, first_seen_at, last_seen_at)
SELECT reply_fingerprint, coalesce(max(coalesce(bounce_message, status_message)), ''),
  coalesce(max(bounce_class), 'other'), min(occurred_at), max(occurred_at)
FROM {source} WHERE reply_fingerprint IS NOT NULL AND NOT {IS_NULL_SENDER}
GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {MAX_OF_MINUTE} * cardinality(%(minutes)s::timestamptz[])
ON CONFLICT (fingerprint) DO UPDATE SET bounce_class = EXCLUDED.bounce_class,
  example = coalesce(nullif(stored.example, ''), EXCLUDED.example),
  first_seen_at = least(stored.first_seen_at, EXCLUDED.first_seen_at),
  last_seen_at = greatest(stored.last_seen_at, EXCLUDED.last_seen_at)"""  # noqa: S608


def delete_old(now: datetime) -> int:
    """Delete what no level counts any more, and the oldest beyond MAX_REPLIES; return how many."""
    oldest = now - timedelta(days=settings.RETENTION_DAYS[DAILY.table])
    with connection.cursor() as cursor:
        cursor.execute(
            f"""DELETE FROM {TABLE} WHERE last_seen_at < %s OR fingerprint IN (
  SELECT fingerprint FROM {TABLE} ORDER BY last_seen_at DESC, fingerprint OFFSET %s)""",  # noqa: S608
            [oldest, MAX_REPLIES],
        )
        return int(cursor.rowcount)


@dataclass(frozen=True)
class Reply:
    """One reply in a range. `events`: by type. `text`: without what varies; `example`: as it came;
    both empty and the times None where the fingerprint is not known any more."""

    provider: str
    fingerprint: str
    events: Mapping[str, int]
    bounce_class: str = ""
    text: str = ""
    example: str = ""
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None


def read_replies(query: LevelQuery, *, limit: int) -> list[Reply]:
    """Return the replies with the most events, of one provider where the query has its prefix.

    The query has one bucket and the dimension `provider_reply`. Runs two queries.
    """
    statement = f"""SELECT value, array_agg(event_type), array_agg(events::bigint) FROM (
  SELECT value, event_type, {fast_sum("events")} AS events FROM {query.relation}
  WHERE value <> '{OTHER}' GROUP BY 1, 2) AS by_type
WHERE events > 0 GROUP BY 1 ORDER BY sum(events) DESC, 1 LIMIT %(limit)s"""  # noqa: S608
    counted = {
        value: dict(zip(kinds, events, strict=True))
        for value, kinds, events in query.execute(statement, limit=limit)
    }
    known = {
        row[0]: row[1:]
        for row in fetch_rows(
            KNOWN,
            [[value.rpartition(" ")[2] for value in counted]],
        )
    }
    return [_build(value, events, known) for value, events in counted.items()]


def _build(value: str, events: dict[str, int], known: Mapping[str, tuple[Any, ...]]) -> Reply:
    provider, _, fingerprint = value.rpartition(" ")
    bounce_class, example, *seen = known.get(fingerprint, ("", "", None, None))
    return Reply(provider, fingerprint, events, bounce_class, normalize(example), example, *seen)
