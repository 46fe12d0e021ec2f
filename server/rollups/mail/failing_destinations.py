"""Failing destinations: domains that refuse most of what they are offered now, and since when.

Counted from the 5-minute level, so it is quick; the reply is that of the newest refusal.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from server.events.mapping import MAX_AHEAD
from server.events.vocabulary import OUTCOMES
from server.rollups.levels import FIVE_MINUTES, OTHER
from server.rollups.mail.level_query import LevelQuery
from server.rollups.mail.queries import Count, counts
from server.rollups.plan import bucket_edges, floor
from server.timescale.rows import fetch_rows

#: The time that counts as now, and how far back the beginning is looked for.
NOW, LOOKED_BACK = timedelta(hours=1), timedelta(hours=6)
#: Fewer attempts in NOW are not judged: one deferral of one message is no failure.
MIN_ATTEMPTS = 10
#: From this share of attempts that are deferred or bounced on, a destination fails.
FAILING_RATIO = 0.5
MAX_DESTINATIONS = 10
ATTEMPTS = f"""SELECT value,
  coalesce(sum(events) FILTER (WHERE event_type = 'delivered'), 0)::bigint,
  coalesce(sum(events) FILTER (WHERE event_type = 'deferred'), 0)::bigint,
  coalesce(sum(events) FILTER (WHERE event_type = 'bounced'), 0)::bigint
FROM email_stats_1m
WHERE dimension = 'to_domain' AND direction = 'outbound' AND value <> '{OTHER}'
  AND bucket > %(since)s AND bucket < %(until)s
  AND event_type IN ('delivered', 'deferred', 'bounced')
GROUP BY 1
HAVING sum(events) FILTER (WHERE event_type <> 'delivered') > 0
ORDER BY sum(events) FILTER (WHERE event_type <> 'delivered') DESC, value LIMIT %(limit)s"""  # noqa: S608 (a value of the declaration)
#: Of so many of its newest refusals a domain's provider and sending IP are the most frequent ones.
MAX_REFUSALS = 50
LAST_REFUSALS = f"""SELECT domain, newest.* FROM unnest(%(domains)s::text[]) AS domain
CROSS JOIN LATERAL (
  SELECT coalesce((array_agg(words ORDER BY occurred_at DESC))[1], ''),
    coalesce(mode() WITHIN GROUP (ORDER BY provider), ''),
    coalesce(mode() WITHIN GROUP (ORDER BY ip), '')
  FROM (
    SELECT occurred_at, coalesce(bounce_message, status_message, '') AS words, provider,
      host(sending_ip) AS ip
    FROM email_events
    WHERE to_domain = domain AND direction = 'outbound' AND event_type IN ('deferred', 'bounced')
      AND occurred_at > %(since)s
    ORDER BY occurred_at DESC LIMIT {MAX_REFUSALS}
  ) AS refusals
) AS newest"""  # noqa: S608 (a number)


@dataclass(frozen=True)
class Destination:
    """One domain in the last hour. `since`: when most of its mail began to fail, None: it does not.

    `words`: its server's reply when it last refused a message; `provider`, `sending_ip`: whose
    server that is, and which of our IPs it refuses most. Empty when it is not known.
    """

    domain: str
    delivered: int
    deferred: int
    bounced: int
    since: datetime | None
    words: str
    provider: str = ""
    sending_ip: str = ""

    @property
    def attempts(self) -> int:
        return self.delivered + self.deferred + self.bounced


def destinations(now: datetime) -> list[Destination]:
    """Return destinations that refused anything in the last hour, those that refused most first.

    Runs three queries at most.
    """
    bounds = {"since": now - NOW, "until": now + MAX_AHEAD, "limit": MAX_DESTINATIONS}
    rows = fetch_rows(ATTEMPTS, bounds)
    if not rows:
        return []
    domains = [row[0] for row in rows]
    end = floor(now, FIVE_MINUTES.width) + FIVE_MINUTES.width
    edges = bucket_edges(end - LOOKED_BACK, end, FIVE_MINUTES.width)
    query = LevelQuery(FIVE_MINUTES, edges, "outbound", "to_domain")
    began = find_beginnings(counts(query, values=domains), edges)
    values = {"domains": domains, "since": now - LOOKED_BACK}
    refusals = {
        domain: {"words": words, "provider": provider, "sending_ip": ip}
        for domain, words, provider, ip in fetch_rows(LAST_REFUSALS, values)
    }
    return [
        Destination(
            domain,
            delivered,
            deferred,
            bounced,
            since=began.get(domain)
            if is_failing(delivered=delivered, refused=deferred + bounced)
            else None,
            **refusals.get(domain, {"words": ""}),
        )
        for domain, delivered, deferred, bounced in rows
    ]


def is_failing(*, delivered: int, refused: int) -> bool:
    """Return whether a destination with these attempts in the last hour fails. Pure."""
    attempts = delivered + refused
    return attempts >= MIN_ATTEMPTS and refused >= FAILING_RATIO * attempts


def find_beginnings(rows: Iterable[Count], edges: Sequence[datetime]) -> dict[str, datetime]:
    """Return of each domain when it began to refuse most of its mail and has not stopped. Pure.

    Buckets without any attempt neither begin nor end it. A domain whose newest attempts succeeded
    is left out.
    """
    attempts: defaultdict[str, defaultdict[int, list[int]]] = defaultdict(
        lambda: defaultdict(lambda: [0, 0])
    )
    for count in rows:
        if count.event_type in OUTCOMES["outbound"]:
            attempts[count.value][count.bucket][count.event_type != "delivered"] += count.events
    began = {}
    for domain, by_bucket in attempts.items():
        for bucket in sorted(by_bucket, reverse=True):
            delivered, refused = by_bucket[bucket]
            if refused < FAILING_RATIO * (delivered + refused):
                break
            began[domain] = edges[bucket]
    return began
