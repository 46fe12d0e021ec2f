"""Mail that waits for some domains, as the queues were read last. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from server.mailqueues import summary
from server.mailqueues.accounting import Database

#: Domains that are listed, and all that a reading may name.
MAX_LISTED, MAX_DOMAINS = 20, 10_000
OLD_FROM_S = 3_600


@dataclass(frozen=True)
class WaitingDomain:
    """Recipients of one domain that wait, and those that have waited for more than an hour."""

    domain: str
    count: int
    old_count: int


@dataclass(frozen=True)
class Waiting:
    """Recipients that wait for the domains. `read_at`: of several readings the oldest.

    `is_complete`: whether every domain with waiting mail was named in the readings.
    """

    count: int
    domains: Sequence[WaitingDomain]
    domains_count: int
    read_at: datetime
    is_stale: bool
    is_complete: bool


def find_waiting(
    databases: Sequence[Database], domains: Collection[str], now: datetime
) -> Waiting | None:
    """Return what waits for the domains, in A-labels; None: no queue with destinations was read."""
    queues, read = summary.find_details(databases, now, lambda q: q.destinations is not None)
    if not queues:
        return None
    every = summary.sum_destinations(queues, limit=MAX_DOMAINS)
    wanted = frozenset(domains)
    matches = [
        WaitingDomain(
            each.domain,
            sum(each.counts),
            sum(
                count
                for count, up_to_s in zip(each.counts, summary.AGES_S, strict=False)
                if up_to_s is None or up_to_s > OLD_FROM_S
            ),
        )
        for each in every.domains
        if each.domain in wanted
    ]
    matches = [each for each in matches if each.count]
    return Waiting(
        count=sum(each.count for each in matches),
        domains=matches[:MAX_LISTED],
        domains_count=len(matches),
        read_at=min(part.at for part in read),
        is_stale=any(part.is_stale for part in read),
        is_complete=not every.rest.domains_count,
    )
