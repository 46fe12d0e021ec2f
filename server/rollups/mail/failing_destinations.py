"""Where mail gets stuck now: destinations that refuse most of what they are offered, since when.

Counted from the 5-minute level, so it is quick, and the words are those of the newest refusal.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from django.db import connection

from server.events.mapping import MAX_AHEAD
from server.rollups.level_query import Over
from server.rollups.levels import FIVE_MINUTES
from server.rollups.mail.queries import Count, counts

#: What counts as now, and how far back the beginning is looked for.
NOW, LOOKED_BACK = timedelta(hours=1), timedelta(hours=6)
#: With fewer attempts in NOW nothing is said: one deferral of one message is no trouble.
ATTEMPTS_MIN = 10
#: From this share of attempts that are deferred or bounced on, a destination is in trouble.
TROUBLE_RATIO = 0.5
DESTINATIONS_LISTED = 10
ATTEMPTS = """SELECT value,
  sum(events) FILTER (WHERE event_type = 'delivered'),
  sum(events) FILTER (WHERE event_type = 'deferred'),
  sum(events) FILTER (WHERE event_type = 'bounced')
FROM email_stats_1m
WHERE dimension = 'to_domain' AND direction = 'outbound'
  AND bucket > %(since)s AND bucket < %(until)s
  AND event_type IN ('delivered', 'deferred', 'bounced')
GROUP BY 1
HAVING sum(events) FILTER (WHERE event_type <> 'delivered') > 0
ORDER BY sum(events) FILTER (WHERE event_type <> 'delivered') DESC, value LIMIT %(limit)s"""
LAST_WORDS = """SELECT DISTINCT ON (domain) domain, event_type,
  coalesce(bounce_message, status_message, '')
FROM unnest(%(domains)s::text[]) AS domain CROSS JOIN LATERAL (
  SELECT occurred_at, event_type, bounce_message, status_message FROM email_events
  WHERE to_domain = domain AND direction = 'outbound' AND event_type IN ('deferred', 'bounced')
    AND occurred_at > %(since)s
  ORDER BY occurred_at DESC LIMIT 1
) AS newest
ORDER BY domain, occurred_at DESC"""


@dataclass(frozen=True)
class Destination:
    """One domain in the last hour. `since`: when most of its mail began to fail, None: it does not.

    `words`: what its server said when it last refused a message; empty when it is not known.
    """

    domain: str
    delivered: int
    deferred: int
    bounced: int
    since: datetime | None
    words: str

    @property
    def attempts(self) -> int:
        """All attempts that ended."""
        return self.delivered + self.deferred + self.bounced


def destinations(now: datetime) -> list[Destination]:
    """Return destinations that refused anything in the last hour, those that refused most first.

    Asks three questions at most.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            ATTEMPTS, {"since": now - NOW, "until": now + MAX_AHEAD, "limit": DESTINATIONS_LISTED}
        )
        rows = [(row[0], *(int(n or 0) for n in row[1:])) for row in cursor.fetchall()]
    if not rows:
        return []
    domains = [row[0] for row in rows]
    end = _floor(now) + FIVE_MINUTES.width
    edges = [end - LOOKED_BACK]
    while edges[-1] < end:
        edges.append(edges[-1] + FIVE_MINUTES.width)
    over = Over(FIVE_MINUTES, edges, "outbound", "to_domain")
    began = beginnings(counts(over, values=domains), edges)
    with connection.cursor() as cursor:
        cursor.execute(LAST_WORDS, {"domains": domains, "since": now - LOOKED_BACK})
        words = {domain: said for domain, _, said in cursor.fetchall()}
    return [
        Destination(
            domain,
            delivered,
            deferred,
            bounced,
            since=began.get(domain)
            if is_trouble(delivered=delivered, refused=deferred + bounced)
            else None,
            words=words.get(domain, ""),
        )
        for domain, delivered, deferred, bounced in rows
    ]


def is_trouble(*, delivered: int, refused: int) -> bool:
    """Return whether so many attempts of the last hour are worth a word. Pure."""
    attempts = delivered + refused
    return attempts >= ATTEMPTS_MIN and refused >= TROUBLE_RATIO * attempts


def beginnings(found: Iterable[Count], edges: Sequence[datetime]) -> dict[str, datetime]:
    """Return of each domain when it began to refuse most of its mail and has not stopped. Pure.

    Buckets without any attempt neither begin nor end it. A domain whose newest attempts succeeded
    is left out.
    """
    attempts: defaultdict[str, defaultdict[int, list[int]]] = defaultdict(
        lambda: defaultdict(lambda: [0, 0])
    )
    for count in found:
        if count.event_type in {"delivered", "deferred", "bounced"}:
            attempts[count.value][count.bucket][count.event_type != "delivered"] += count.events
    spans = list(pairwise(edges))
    began = {}
    for domain, by_bucket in attempts.items():
        for bucket in sorted(by_bucket, reverse=True):
            delivered, refused = by_bucket[bucket]
            if refused < TROUBLE_RATIO * (delivered + refused):
                break
            began[domain] = spans[bucket][0]
    return began


def _floor(at: datetime) -> datetime:
    return at - timedelta(minutes=at.minute % 5, seconds=at.second, microseconds=at.microsecond)
