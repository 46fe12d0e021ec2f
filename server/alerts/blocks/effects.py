"""Queries of the mail that open blocks are of: its outcomes, the nodes that are refused, and whose
servers the waiting mail is for. Four, three of them only while an IP or a provider has a block."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import Q

from server.alerts.blocks.models import Block
from server.alerts.snapshot import Blocked, MailMinute
from server.events.domains import to_ascii
from server.events.mapping import MAX_AHEAD
from server.mailqueues.accounting import Database
from server.mailqueues.attempts import providers_of
from server.rollups.levels import ONE_MINUTE
from server.rollups.mail.details import MAX_WAIT
from server.timescale.rows import fetch_rows

#: A block leads to bounces in the windows of rules for so long after its end.
LEADS_FOR = timedelta(minutes=15)
#: Blocks that are followed, the newest of them.
MAX_BLOCKS = 500
KINDS = (Block.Kind.IP, Block.Kind.PROVIDER)
#: Details of a minute are counted so long after it began, when it has nothing more to wait for.
DETAILS_AFTER = ONE_MINUTE.width + MAX_WAIT
#: Of a block's nodes: how far back, and of how many refusals of its provider.
REFUSED_WITHIN, MAX_REFUSALS = timedelta(minutes=30), 1_000
#: Domains of a queue whose provider is looked up, the largest of them.
MAX_DOMAINS = 200
_NODES = f"""SELECT blocks.name, nodes.mta_node
FROM unnest(%(names)s::text[], %(providers)s::text[], %(ips)s::text[])
  AS blocks (name, provider, ip)
CROSS JOIN LATERAL (
  SELECT DISTINCT mta_node FROM (
    SELECT mta_node, host(sending_ip) AS ip FROM email_events
    WHERE provider = blocks.provider AND direction = 'outbound'
      AND event_type IN ('bounced', 'deferred', 'rejected') AND occurred_at > %(since)s
    ORDER BY occurred_at DESC LIMIT {MAX_REFUSALS}
  ) AS refusals
  WHERE blocks.ip = '' OR refusals.ip = blocks.ip
) AS nodes
WHERE nodes.mta_node IS NOT NULL"""  # noqa: S608 (a number)
_MINUTES = """SELECT dimension, value, bucket,
  coalesce(sum(events) FILTER (WHERE event_type = 'delivered'), 0)::bigint,
  coalesce(sum(events) FILTER (WHERE event_type = 'bounced'), 0)::bigint,
  coalesce(sum(events) FILTER (WHERE event_type = 'deferred'), 0)::bigint
FROM email_stats_1m
WHERE direction = 'outbound' AND event_type IN ('delivered', 'bounced', 'deferred')
  AND bucket > %(since)s AND bucket < %(until)s
  AND (dimension = 'provider' AND value = ANY(%(providers)s::text[])
    OR dimension = 'provider_ip' AND value = ANY(%(pairs)s::text[]))
GROUP BY 1, 2, 3 ORDER BY 3"""


def read_blocked(now: datetime, *, since: datetime) -> dict[str, Blocked]:
    """Return name of a block → its mail, with the minutes after `since`; three queries at most. Of
    an IP at a provider that refuses everybody's mail it is that one's."""
    lately = Q(ended_at=None) | Q(ended_at__gt=now - LEADS_FOR)
    rows = Block.objects.filter(lately, kind__in=KINDS).order_by("-started_at")[:MAX_BLOCKS]
    held = {block.name: block for block in rows}
    of_all = {block.provider for block in held.values() if block.kind == Block.Kind.PROVIDER}
    held = {
        name: block
        for name, block in held.items()
        if block.kind == Block.Kind.PROVIDER or block.provider not in of_all
    }
    if not held:
        return {}
    values = {
        "names": list(held),
        "providers": [block.provider for block in held.values()],
        "ips": [block.subject for block in held.values()],
        "since": now - REFUSED_WITHIN,
    }
    nodes: dict[str, set[str]] = {}
    for name, node in fetch_rows(_NODES, values):
        nodes.setdefault(name, set()).add(node)
    minutes = _read_minutes(held.values(), now, since)
    return {
        name: Blocked(
            block.provider,
            minutes.get((block.provider, block.subject), ()),
            frozenset(nodes.get(name, ())),
        )
        for name, block in held.items()
    }


def _read_minutes(
    blocks: Iterable[Block], now: datetime, since: datetime
) -> Mapping[tuple[str, str], Sequence[MailMinute]]:
    """Return the minutes by provider and IP, which is empty where everybody's mail is meant."""
    by_value = {
        ("provider_ip", f"{block.provider} {block.subject}")
        if block.kind == Block.Kind.IP
        else ("provider", block.provider): (block.provider, block.subject)
        for block in blocks
    }
    values = {
        "providers": [value for dimension, value in by_value if dimension == "provider"],
        "pairs": [value for dimension, value in by_value if dimension == "provider_ip"],
        "since": since,
        "until": now + MAX_AHEAD,
    }
    minutes: dict[tuple[str, str], list[MailMinute]] = {}
    for dimension, value, bucket, *counts in fetch_rows(_MINUTES, values):
        minutes.setdefault(by_value[dimension, value], []).append(MailMinute(bucket, *counts))
    return minutes


def find_details_until(blocked: Mapping[str, Blocked], now: datetime) -> datetime:
    """Return up to when the minutes of blocks are counted: longer than it takes, or as they show.
    Pure."""
    newest = [each.minutes[-1].at for each in blocked.values() if each.minutes]
    return max([now - DETAILS_AFTER, *newest])


def read_providers(
    blocked: Mapping[str, Blocked], queues: Iterable[Database], now: datetime
) -> dict[str, str]:
    """Return domain → provider of what waits while a block is open; one query."""
    counts: dict[str, int] = {}
    for queue in queues if blocked else ():
        for each in (queue.detail[1].destinations if queue.detail else None) or ():
            name = to_ascii(each.domain)
            counts[name] = counts.get(name, 0) + sum(each.counts)
    largest = sorted(counts, key=lambda name: (-counts[name], name))
    return providers_of(largest[:MAX_DOMAINS], now)
