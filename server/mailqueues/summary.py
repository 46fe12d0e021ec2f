"""Sums over the mail queues, each queue counted once. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from server.events.replies import normalize
from server.mailqueues.accounting import Database, Share
from server.mailqueues.reasons import classify_reply
from server.metrics.mail_queue import MailQueue
from server.rollups.samples.queries import Bucket

#: Upper bounds of the age brackets, in seconds; the last has none.
AGES_S: tuple[int | None, ...] = (60, 300, 1800, 3600, 14_400, 86_400, None)
MEANS = ("waiting_count", "active_count", "deferred_count")


@dataclass(frozen=True)
class Totals:
    """Recipients of all queues. None: nothing was read, or no database has it."""

    waiting_count: int | None
    stale_count: int | None
    active_count: int | None
    deferred_count: int | None
    locked_count: int | None
    unassigned_count: int | None
    stranded_count: int | None


class ReadAt(NamedTuple):
    """When something was read, and whether that is stale."""

    at: datetime
    is_stale: bool


@dataclass(frozen=True)
class Zone:
    """Recipients of one zone over all databases, and when each of these was read."""

    name: str
    active: int
    deferred: int
    read: tuple[ReadAt, ...]


class Detail(NamedTuple):
    """A reading from a database itself."""

    queue: MailQueue
    read: ReadAt


@dataclass(frozen=True)
class Reasons:
    """Deferred recipients by reply, most first, and by class. `rest`: of replies too seldom."""

    of_count: int
    rest: int
    classes: Counter[str]
    replies: list[tuple[str, int]]


@dataclass(frozen=True)
class Destination:
    """Recipients of one domain that wait, in each age bracket, and some of the last replies."""

    domain: str
    counts: list[int]
    replies: tuple[str, ...]


@dataclass(frozen=True)
class Destinations:
    """The largest destinations, largest first; the rest: how many, and their recipients."""

    of_count: int
    domains: list[Destination]
    rest_domains: int
    rest_counts: list[int]


@dataclass(frozen=True)
class HistoryBucket:
    """Means of the databases that were read in one bucket, added up; None where none was."""

    databases_count: int
    waiting_count: float | None
    active_count: float | None
    deferred_count: float | None
    waiting_count_max: float | None
    oldest_age_s_max: float | None


def sum_totals(databases: Sequence[Database], now: datetime) -> Totals:
    """Return the recipients of all databases."""
    readings = [database.reading for database in databases]
    locked = [r.queue.locked_count for r in readings if r.queue.locked_count is not None]
    return Totals(
        waiting_count=_total(database.waiting for database in databases),
        stale_count=_total(d.waiting if d.reading.is_stale(now) else 0 for d in databases),
        active_count=_total(reading.queue.active_count for reading in readings),
        deferred_count=_total(reading.queue.deferred_count for reading in readings),
        locked_count=_total(locked),
        unassigned_count=_total(d.unassigned.count or 0 for d in databases if d.unassigned),
        stranded_count=_total(_sum_shares(d.stranded) for d in databases if d.stranded is not None),
    )


def sum_zones(databases: Iterable[Database], now: datetime) -> list[Zone]:
    """Return the zones, largest first."""
    active: Counter[str] = Counter()
    deferred: Counter[str] = Counter()
    read: dict[str, list[ReadAt]] = defaultdict(list)
    for reading in (database.reading for database in databases):
        for zone in reading.queue.zones:
            active[zone.zone] += zone.active_count
            deferred[zone.zone] += zone.deferred_count
            read[zone.zone].append(ReadAt(reading.at, reading.is_stale(now)))
    zones = [Zone(name, active[name], deferred[name], tuple(read[name])) for name in read]
    return sorted(zones, key=lambda zone: (-zone.active - zone.deferred, zone.name))


def find_details(
    databases: Iterable[Database],
    now: datetime,
    has_part: Callable[[MailQueue], bool],
) -> list[Detail]:
    """Return the newest readings from the databases themselves that have some part."""
    return [
        Detail(queue, ReadAt(at, now - at > database.reading.stale_after))
        for database in databases
        if database.detail
        for at, queue in [database.detail]
        if has_part(queue)
    ]


def has_known_brackets(queue: MailQueue) -> bool:
    """Return whether the ages are known in AGES_S; older agents have other brackets."""
    return queue.ages is not None and {age.up_to_s for age in queue.ages} <= set(AGES_S)


def sum_ages(queues: Iterable[MailQueue]) -> Counter[int | None]:
    """Return the recipients by age bracket."""
    counts: Counter[int | None] = Counter()
    for queue in queues:
        counts.update({age.up_to_s: age.count for age in queue.ages or ()})
    return counts


def sum_reasons(queues: Sequence[MailQueue]) -> Reasons:
    """Return why mail is deferred; replies that differ only by addresses, ids, … are one."""
    replies: Counter[str] = Counter()
    first: dict[str, str] = {}
    for queue in queues:
        for reason in queue.reasons or ():
            response = first.setdefault(normalize(reason.response), reason.response)
            replies[response] += reason.count
    classes: Counter[str] = Counter()
    for response, count in replies.items():
        classes[classify_reply(response)] += count
    of_count = sum(queue.reasons_of_count or 0 for queue in queues)
    rest = max(0, of_count - replies.total())
    return Reasons(of_count, rest, classes, replies.most_common())


def sum_destinations(queues: Iterable[MailQueue], *, limit: int) -> Destinations:
    """Return the `limit` largest destinations of all queues, and the rest of them."""
    counts: dict[str, list[int]] = {}
    replies: dict[str, dict[str, None]] = defaultdict(dict)
    rest, rest_domains, of_count = [0] * len(AGES_S), 0, 0
    for queue in queues:
        of_count += queue.destinations_of_count or 0
        for destination in queue.destinations or ():
            counts[destination.domain] = _add(
                counts.get(destination.domain, [0] * len(AGES_S)), destination.counts
            )
            replies[destination.domain].update(dict.fromkeys(destination.replies))
        if queue.other_destinations:
            rest = _add(rest, queue.other_destinations.counts)
            rest_domains += queue.other_destinations.domains_count
    largest = sorted(counts, key=lambda domain: (-sum(counts[domain]), domain))
    for domain in largest[limit:]:
        rest = _add(rest, counts[domain])
    return Destinations(
        of_count,
        [Destination(name, counts[name], tuple(replies[name])) for name in largest[:limit]],
        rest_domains + len(largest[limit:]),
        rest,
    )


def average_history(rows: Sequence[Bucket], buckets: int) -> tuple[int, list[HistoryBucket]]:
    """Return how many databases were read, and each of so many buckets, each database once."""
    database_of = {row.node: row.dimensions[0] for row in rows if row.dimensions[0]}
    cells: dict[int, dict[tuple[str, str], list[Bucket]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        # A node whose database did not answer for a while read that one's totals from the API.
        name = row.dimensions[0] or database_of.get(row.node, "")
        cells[row.bucket][("", row.node) if not name else (name, "")].append(row)
    databases = {key for cell in cells.values() for key in cell}
    return len(databases), [_average(list(cells[i].values())) for i in range(buckets)]


def _average(databases: Sequence[Sequence[Bucket]]) -> HistoryBucket:
    rows = [row for of_database in databases for row in of_database]
    oldest = [row.readings["oldest_age_s_max"] for row in rows]
    waiting, active, deferred = (
        sum(_mean(of_database, name) for of_database in databases) if databases else None
        for name in MEANS
    )
    highest = [max(row.readings["waiting_count_max"] or 0 for row in each) for each in databases]
    return HistoryBucket(
        len(databases),
        waiting,
        active,
        deferred,
        waiting_count_max=sum(highest) if databases else None,
        oldest_age_s_max=max((age for age in oldest if age is not None), default=None),
    )


def _mean(rows: Sequence[Bucket], name: str) -> float:
    """Return the mean over the readings of all agents that read one database."""
    readings = sum(row.samples for row in rows)
    return sum((row.readings[name] or 0.0) * row.samples for row in rows) / readings


def _total(numbers: Iterable[int]) -> int | None:
    """Return the sum; None of nothing."""
    known = list(numbers)
    return sum(known) if known else None


def _sum_shares(shares: Iterable[Share]) -> int:
    return sum(share.count or 0 for share in shares)


def _add(one: Sequence[int], other: Sequence[int]) -> list[int]:
    return [a + b for a, b in zip(one, other, strict=False)]
