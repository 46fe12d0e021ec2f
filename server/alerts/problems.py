"""Problems of the present: destinations that fail, missing events, stranded and old mail."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from server.alerts.queues import OLDEST_WARNING, list_stranded, oldest_created_at
from server.ledger import queries as ledger
from server.ledger.queries import Completeness
from server.mailqueues import queries as mailqueues
from server.mailqueues.accounting import Database, count_once
from server.nodes.queries import wrong_clocks
from server.rollups.levels import ONE_MINUTE
from server.rollups.mail import failing_destinations
from server.rollups.mail.failing_destinations import Destination
from server.rollups.mail.level_query import LevelQuery
from server.rollups.mail.queries import totals

#: Completeness is judged over this time.
LEDGER_HOURS = 24
#: Bounds of what is reported: problems, and characters of a remote server's reply.
MAX_PROBLEMS, MAX_REPLY_CHARS = 20, 100
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@dataclass(frozen=True)
class FailingDestination:
    """A destination that refuses most of its mail. `verb`: bounces or defers."""

    domain: str
    verb: str
    since: datetime
    words: str

    def as_json(self) -> dict[str, Any]:
        return {"kind": "destination", **vars(self), "since": self.since.isoformat()}


@dataclass(frozen=True)
class MissingEvents:
    """Numbered events of a node that never arrived, without explanation."""

    node: str
    count: int

    def as_json(self) -> dict[str, Any]:
        return {"kind": "missing", **vars(self)}


@dataclass(frozen=True)
class OldMail:
    """Mail in the queues waits for too long: the oldest `since`, which is `waits_s` seconds."""

    since: datetime
    waits_s: float

    def as_json(self) -> dict[str, Any]:
        return {"kind": "queue", "oldest_s": self.waits_s}


@dataclass(frozen=True)
class StrandedMail:
    """Waiting mail that no living ZoneMTA sends, and the instances it is assigned to."""

    count: int
    instances: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {"kind": "stranded", **vars(self)}


@dataclass(frozen=True)
class WrongClock:
    """The clock of a node is ahead of the server's, or behind where `ahead_s` is negative."""

    node: str
    ahead_s: float

    def as_json(self) -> dict[str, Any]:
        return {"kind": "clock", **vars(self)}


Problem = FailingDestination | MissingEvents | OldMail | StrandedMail | WrongClock


@dataclass(frozen=True)
class Facts:
    """The facts of one moment that need more than a glance at the database.

    `sent_yesterday`: mail sent in the same 60 minutes a day ago; None when there was none.
    """

    problems: list[Problem]
    destinations: list[Destination]
    epochs: list[Completeness]
    queues: list[Database]
    sent_yesterday: int | None = None

    @property
    def complete(self) -> bool | None:
        """Whether no numbered event is missing or refused; None while no agent numbers them."""
        return all(epoch.complete for epoch in self.epochs) if self.epochs else None


def read_facts(now: datetime) -> Facts:
    """Query the database, seven times at most."""
    destinations = failing_destinations.destinations(now)
    epochs = ledger.completeness(now - timedelta(hours=LEDGER_HOURS))
    queues = count_once(mailqueues.newest_readings(now), now)
    problems = find_problems(destinations, epochs, queues, wrong_clocks(now), now=now)
    return Facts(problems, destinations, epochs, queues, _sent_yesterday(now))


def find_problems(
    destinations: Iterable[Destination],
    epochs: Iterable[Completeness],
    queues: Iterable[Database],
    clocks: Iterable[tuple[str, timedelta]] = (),
    *,
    now: datetime,
) -> list[Problem]:
    """Return the problems, the most pressing first. Pure."""
    problems: list[Problem] = [
        FailingDestination(
            each.domain,
            "bounces" if each.bounced > each.deferred else "defers",
            each.since,
            each.words[:MAX_REPLY_CHARS],
        )
        for each in destinations
        if each.since
    ]
    missing: Counter[str] = Counter()
    for epoch in epochs:
        missing[epoch.node] += epoch.missing_count
    problems += [MissingEvents(node, count) for node, count in missing.most_common() if count]
    queues = list(queues)
    if stranded := list_stranded(queues):
        names = tuple(sorted({share.instance or "" for share in stranded}))
        problems.append(StrandedMail(sum(share.count or 0 for share in stranded), names))
    since = oldest_created_at([queue for queue in queues if not queue.reading.is_stale(now)])
    if since is not None and now - since > OLDEST_WARNING:
        problems.append(OldMail(since, (now - since).total_seconds()))
    problems += [WrongClock(node, ahead.total_seconds()) for node, ahead in clocks]
    return problems[:MAX_PROBLEMS]


def _sent_yesterday(now: datetime) -> int | None:
    start = now.replace(second=0, microsecond=0) - DAY - HOUR
    query = LevelQuery(ONE_MINUTE, (start, start + HOUR + MINUTE), "outbound")
    return sum(count for _, count in totals(query, event_type="sent")) or None
