"""Problems of the present: nodes, blocks, failing destinations, missing events, old mail.

What one node has is a warning here, however red that node is: the others go on.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings

from server.alerts.backlog import is_behind
from server.alerts.blocks.listing import open_blocks
from server.alerts.blocks.models import Block
from server.alerts.blocks.wording import describe, describe_cause
from server.alerts.node_problems import NodeProblem, find_node_problems, find_wrong_clocks
from server.alerts.queues import judge_age, list_stranded, oldest_created_at
from server.ledger import queries as ledger
from server.ledger.queries import Completeness
from server.mailqueues import queries as mailqueues
from server.mailqueues.accounting import Database, count_once
from server.metrics.newest import NodeState, newest_states
from server.observability.backlog import NOTHING_WAITS, Backlog, read_backlog
from server.rollups.levels import ONE_MINUTE
from server.rollups.mail import failing_destinations
from server.rollups.mail.failing_destinations import Destination
from server.rollups.mail.level_query import LevelQuery
from server.rollups.mail.queries import counts
from server.rollups.plan import floor

#: Completeness is judged over this time.
LEDGER_HOURS = 24
#: Bounds of what is reported: problems, and characters of a remote server's reply.
MAX_PROBLEMS, MAX_REPLY_CHARS = 20, 100
#: Characters of the reply of a block, which is followed by whose mail it is.
MAX_CAUSE_CHARS = 60
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@dataclass(frozen=True)
class FailingDestination:
    """A destination that refuses most of its mail. `verb`: bounces or defers."""

    domain: str
    verb: str
    since: datetime
    words: str
    level: ClassVar[str] = "warning"

    def as_json(self) -> dict[str, Any]:
        return {"kind": "destination", **vars(self), "since": self.since.isoformat()}


@dataclass(frozen=True)
class BlockedMail:
    """Mail that a provider refuses: whose in `text`, the reply and its senders in `cause`."""

    id: int
    provider: str
    text: str
    since: datetime
    cause: str
    level: ClassVar[str] = "warning"

    @classmethod
    def of(cls, block: Block) -> "BlockedMail":
        cause = describe_cause(block, MAX_CAUSE_CHARS)
        return cls(block.pk, block.provider, describe(block), block.started_at, cause)

    def as_json(self) -> dict[str, Any]:
        return {"kind": "block", **vars(self), "since": self.since.isoformat()}


@dataclass(frozen=True)
class MissingEvents:
    """Numbered events of a node that never arrived, without explanation."""

    node: str
    count: int
    level: ClassVar[str] = "warning"

    def as_json(self) -> dict[str, Any]:
        return {"kind": "missing", **vars(self)}


@dataclass(frozen=True)
class OldMail:
    """Mail in the queues waits for too long: the oldest `since`, which is `waits_s` seconds."""

    since: datetime
    waits_s: float

    @property
    def level(self) -> str:
        return judge_age(timedelta(seconds=self.waits_s))

    def as_json(self) -> dict[str, Any]:
        return {"kind": "queue", "oldest_s": self.waits_s}


@dataclass(frozen=True)
class StrandedMail:
    """Waiting mail that no living ZoneMTA sends, and the instances it is assigned to."""

    count: int
    instances: tuple[str, ...]
    level: ClassVar[str] = "critical"

    def as_json(self) -> dict[str, Any]:
        return {"kind": "stranded", **vars(self)}


@dataclass(frozen=True)
class WrongClock:
    """The clock of a node is ahead of the server's, or behind where `ahead_s` is negative."""

    node: str
    ahead_s: float
    level: ClassVar[str] = "warning"

    def as_json(self) -> dict[str, Any]:
        return {"kind": "clock", **vars(self)}


Problem = (
    NodeProblem
    | BlockedMail
    | FailingDestination
    | MissingEvents
    | OldMail
    | StrandedMail
    | WrongClock
)


@dataclass(frozen=True)
class Facts:
    """The facts of one moment that need more than a glance at the database.

    `sent_yesterday`: mail sent in the same time a day ago; None when there was none.
    """

    problems: list[Problem]
    destinations: list[Destination]
    epochs: list[Completeness]
    queues: list[Database]
    sent_yesterday: int | None = None
    backlog: Backlog = NOTHING_WAITS
    is_behind: bool = False
    blocks: Sequence[Block] = ()

    @property
    def complete(self) -> bool | None:
        """Whether no numbered event is missing or refused; None while that is not known.

        What waits to be stored may have the numbers that are missing, and larger ones.
        """
        if self.is_behind or not self.epochs:
            return None
        return all(epoch.complete for epoch in self.epochs)


def read_facts(now: datetime) -> Facts:
    """Query the database, eight times at most, and look what waits to be stored before that."""
    backlog = read_backlog()
    behind = is_behind(backlog, now)
    destinations = failing_destinations.destinations(now)
    epochs = ledger.completeness(now - timedelta(hours=LEDGER_HOURS))
    queues = count_once(mailqueues.newest_readings(now), now)
    states = newest_states(now, seen_after=now - timedelta(seconds=settings.NODE_OFFLINE_AFTER_S))
    clocks = find_wrong_clocks(states)
    known = [] if behind else epochs
    blocks = open_blocks()
    problems = find_problems(destinations, known, queues, clocks, states, now=now, blocks=blocks)
    return Facts(
        problems,
        destinations,
        epochs,
        queues,
        _sent_yesterday(now),
        backlog,
        is_behind=behind,
        blocks=blocks,
    )


def find_problems(
    destinations: Iterable[Destination],
    epochs: Iterable[Completeness],
    queues: Iterable[Database],
    clocks: Iterable[tuple[str, timedelta]] = (),
    states: Iterable[NodeState] = (),
    *,
    now: datetime,
    blocks: Iterable[Block] = (),
) -> list[Problem]:
    """Return the problems, causes before what they lead to where `_in_order` lets them. Pure."""
    problems: list[Problem] = [*find_node_problems(states)]
    problems += [BlockedMail.of(block) for block in blocks]
    problems += [
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
    if since is not None and judge_age(now - since) != "ok":
        problems.append(OldMail(since, (now - since).total_seconds()))
    problems += [WrongClock(node, ahead.total_seconds()) for node, ahead in clocks]
    return _in_order(problems)[:MAX_PROBLEMS]


def _in_order(problems: Sequence[Problem]) -> list[Problem]:
    """Return critical ones first, and one of each kind before a second: a page names only some, and
    one program that is stopped everywhere must not hide that a destination refuses mail."""
    counts: Counter[str] = Counter()
    ranks: list[tuple[bool, int, int]] = []
    for problem in problems:
        kind = problem.as_json()["kind"]
        ranks.append((problem.level != "critical", counts[kind], len(ranks)))
        counts[kind] += 1
    return [problems[place] for *_, place in sorted(ranks)]


def _sent_yesterday(now: datetime) -> int | None:
    """Count 60 whole minutes and of the next one as much as of the running one is over."""
    minute = floor(now, MINUTE)
    end = minute - DAY
    query = LevelQuery(ONE_MINUTE, (end - HOUR, end, end + MINUTE), "outbound")
    shares = (1.0, (now - minute) / MINUTE)
    rows = counts(query, event_types=("sent",))
    return round(sum(row.events * shares[row.bucket] for row in rows)) or None
