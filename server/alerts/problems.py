"""What needs somebody, for the sentence that every page begins with. Made from facts of the rooms
below: destinations that refuse mail, events that are missing, mail that waits for long.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from server.ledger import queries as ledger
from server.ledger.queries import Completeness
from server.mailqueues import queries as mailqueues
from server.mailqueues.accounting import Database, count_once
from server.rollups.mail import failing_destinations
from server.rollups.mail.failing_destinations import Destination

#: How far back completeness is looked at.
LEDGER_HOURS = 24
#: Mail that waits longer wants to be looked at.
OLDEST_MAX = timedelta(hours=1)
#: So many findings are told, and so much of a remote server's words; the sentence names fewer.
FINDINGS_MAX, WORDS_CHARS = 20, 100


@dataclass(frozen=True)
class Facts:
    """The facts of one moment. `findings`: see `findings`."""

    findings: list[dict[str, Any]]
    destinations: list[Destination]
    epochs: list[Completeness]
    queues: list[Database]

    @property
    def complete(self) -> bool | None:
        """Whether all numbered events arrived; None while no agent numbers them."""
        return all(epoch.complete for epoch in self.epochs) if self.epochs else None

    def told(self) -> dict[str, Any]:
        """Return what a frame carries of it."""
        return {"findings": self.findings, "complete": self.complete}


def facts(now: datetime) -> Facts:
    """Ask the database, five questions at most."""
    destinations = failing_destinations.destinations(now)
    epochs = ledger.completeness(now - timedelta(hours=LEDGER_HOURS))
    queues = count_once(mailqueues.newest_readings(now), now)
    return Facts(findings(destinations, epochs, queues, now=now), destinations, epochs, queues)


def findings(
    destinations: Iterable[Destination],
    epochs: Iterable[Completeness],
    queues: Iterable[Database],
    *,
    now: datetime,
) -> list[dict[str, Any]]:
    """Return what needs somebody, the most pressing first. Pure.

    `kind`: destination (domain, verb, since, words), missing (node, count), queue (oldest_s).
    """
    found: list[dict[str, Any]] = [
        {
            "kind": "destination",
            "domain": each.domain,
            "verb": "bounces" if each.bounced > each.deferred else "defers",
            "since": each.since.isoformat(),
            "words": each.words[:WORDS_CHARS],
        }
        for each in destinations
        if each.since
    ]
    missing: dict[str, int] = {}
    for epoch in epochs:
        missing[epoch.node] = missing.get(epoch.node, 0) + epoch.missing_count
    found += [
        {"kind": "missing", "node": node, "count": count}
        for node, count in sorted(missing.items(), key=lambda item: -item[1])
        if count
    ]
    waits = oldest([queue for queue in queues if not queue.reading.is_stale(now)], now)
    if waits is not None and waits > OLDEST_MAX:
        found.append({"kind": "queue", "oldest_s": waits.total_seconds()})
    return found[:FINDINGS_MAX]


def oldest(queues: Sequence[Database], now: datetime) -> timedelta | None:
    """Return how long the oldest waiting message waits; None where none does or nobody knows."""
    details = [queue.detail[1] for queue in queues if queue.detail]
    created = [detail.oldest_created_at for detail in details if detail.oldest_created_at]
    return now - min(created) if created else None
