"""Sums over the mail queues, each queue counted once. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeVar

from server.events.domains import to_ascii
from server.events.replies import normalize
from server.mailqueues.accounting import Database, qualify
from server.mailqueues.reasons import classify_reply
from server.metrics.mail_queue import MailQueue, OtherDestinations, QueueDestination, ZoneQueue
from server.rollups.samples.queries import Bucket

#: Upper bounds of the age brackets, in seconds; the last has none.
AGES_S: tuple[int | None, ...] = (60, 300, 1800, 3600, 14_400, 86_400, None)
MEANS = ("waiting_count", "active_count", "deferred_count")
Number = TypeVar("Number", int, float)


class ReadAt(NamedTuple):
    """When something was read, and whether that is stale."""

    at: datetime
    is_stale: bool


@dataclass(frozen=True)
class Reasons:
    """Deferred recipients by reply, most first, and by class.

    `of_count`: those whose reply was read, `rest` of them with replies too seldom to be listed;
    `unread`: those beside them, without a reply or past the bound of what is read.
    """

    of_count: int
    rest: int
    unread: int
    classes: Counter[str]
    replies: list[tuple[str, int]]


@dataclass(frozen=True)
class Destinations:
    """The largest destinations, largest first, and the rest of them."""

    of_count: int
    domains: list[QueueDestination]
    rest: OtherDestinations


def sum_totals(databases: Sequence[Database], now: datetime) -> dict[str, int | None]:
    """Return the recipients of all databases, by the names of the API.

    None: nothing was read, or no database has it.
    """
    queues = [database.reading.queue for database in databases]
    stranded = [database.stranded for database in databases if database.stranded is not None]
    return {
        "waiting_count": _total(database.waiting for database in databases),
        "stale_count": _total(d.waiting if d.reading.is_stale(now) else 0 for d in databases),
        "active_count": _total(queue.active_count for queue in queues),
        "deferred_count": _total(queue.deferred_count for queue in queues),
        "locked_count": _total(q.locked_count for q in queues if q.locked_count is not None),
        "unassigned_count": _total(d.unassigned.count or 0 for d in databases if d.unassigned),
        "stranded_count": _total(sum(share.count or 0 for share in each) for each in stranded),
    }


def sum_zones(databases: Iterable[Database], now: datetime) -> list[tuple[ZoneQueue, list[ReadAt]]]:
    """Return the zones over all databases, largest first, and when each of these was read."""
    active: Counter[str] = Counter()
    deferred: Counter[str] = Counter()
    read: dict[str, list[ReadAt]] = defaultdict(list)
    for reading in (database.reading for database in databases):
        for zone in reading.queue.zones:
            active[zone.zone] += zone.active_count
            deferred[zone.zone] += zone.deferred_count
            read[zone.zone].append(ReadAt(reading.at, reading.is_stale(now)))
    names = sorted(read, key=lambda name: (-active[name] - deferred[name], name))
    return [(ZoneQueue(name, active[name], deferred[name]), read[name]) for name in names]


def find_details(
    databases: Iterable[Database], now: datetime, has_part: Callable[[MailQueue], bool]
) -> tuple[list[MailQueue], list[ReadAt]]:
    """Return the newest readings from the databases themselves that have some part, with times."""
    queues, read = [], []
    for database in databases:
        if database.detail and has_part(database.detail[1]):
            at, queue = database.detail
            queues.append(queue)
            read.append(ReadAt(at, now - at > database.reading.stale_after))
    return queues, read


def has_known_brackets(queue: MailQueue) -> bool:
    """Return whether the ages are known in AGES_S; older agents have other brackets."""
    return queue.ages is not None and {age.up_to_s for age in queue.ages} <= set(AGES_S)


def sum_ages(queues: Iterable[MailQueue]) -> Counter[int | None]:
    """Return the recipients by age bracket."""
    counts: Counter[int | None] = Counter()
    for queue in queues:
        counts.update({age.up_to_s: age.count for age in queue.ages or ()})
    return counts


def sum_reasons(queues: Sequence[MailQueue], *, limit: int = 1000) -> Reasons:
    """Return why mail is deferred, by the `limit` most frequent replies; those that differ only by
    addresses, ids, … are one."""
    replies: Counter[str] = Counter()
    first: dict[str, str] = {}
    for queue in queues:
        for reason in queue.reasons or ():
            response = first.setdefault(normalize(reason.response), reason.response)
            replies[response] += reason.count
    listed = replies.most_common(limit)
    classes: Counter[str] = Counter()
    for response, count in listed:
        classes[classify_reply(response)] += count
    of_count = sum(queue.reasons_of_count or 0 for queue in queues)
    # What was deferred between two of an agent's queries may make it more than are deferred.
    unread = max(0, sum(queue.deferred_count for queue in queues) - of_count)
    return Reasons(of_count, max(0, of_count - classes.total()), unread, classes, listed)


def sum_destinations(queues: Iterable[MailQueue], *, limit: int) -> Destinations:
    """Return the `limit` largest destinations of all queues, and the rest of them."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0] * len(AGES_S))
    replies: dict[str, dict[str, None]] = defaultdict(dict)
    rest, rest_domains, of_count = [0] * len(AGES_S), 0, 0
    for queue in queues:
        of_count += queue.destinations_of_count or 0
        for each in queue.destinations or ():
            name = to_ascii(each.domain)
            counts[name] = _add(counts[name], each.counts)
            replies[name].update(dict.fromkeys(each.replies))
        if queue.other_destinations:
            rest = _add(rest, queue.other_destinations.counts)
            rest_domains += queue.other_destinations.domains_count
    largest = sorted(counts, key=lambda domain: (-sum(counts[domain]), domain))
    for domain in largest[limit:]:
        rest = _add(rest, counts[domain])
    return Destinations(
        of_count,
        [QueueDestination(name, counts[name], list(replies[name])) for name in largest[:limit]],
        OtherDestinations(rest_domains + len(largest[limit:]), rest),
    )


def average_history(
    rows: Sequence[Bucket], buckets: int
) -> tuple[int, list[dict[str, float | None]]]:
    """Return how many databases were read, and each of so many buckets, each database once.

    A bucket has means of the databases that were read in it, added up; None where none was.
    """
    database_of = {
        row.node: qualify(row.dimensions[0], row.node) for row in rows if row.dimensions[0]
    }
    cells: dict[int, dict[tuple[str, str], list[Bucket]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        # A node whose database did not answer for a while read that one's totals from the API.
        read = row.dimensions[0]
        name = qualify(read, row.node) if read else database_of.get(row.node, "")
        cells[row.bucket][("", row.node) if not name else (name, "")].append(row)
    databases = {key for cell in cells.values() for key in cell}
    return len(databases), [_average(list(cells[i].values())) for i in range(buckets)]


def _average(databases: Sequence[Sequence[Bucket]]) -> dict[str, float | None]:
    oldest = [row.readings["oldest_age_s_max"] for rows in databases for row in rows]
    highest = [max(row.readings["waiting_count_max"] or 0 for row in rows) for rows in databases]
    return {
        "databases_count": len(databases),
        **{name: _total(_mean(rows, name) for rows in databases) for name in MEANS},
        "waiting_count_max": _total(highest),
        "oldest_age_s_max": max((age for age in oldest if age is not None), default=None),
    }


def _mean(rows: Sequence[Bucket], name: str) -> float:
    """Return the mean over the readings of all agents that read one database."""
    readings = sum(row.samples for row in rows)
    return sum((row.readings[name] or 0.0) * row.samples for row in rows) / readings


def _total(numbers: Iterable[Number]) -> Number | None:
    """Return the sum; None of nothing."""
    known = list(numbers)
    return sum(known) if known else None


def _add(one: Sequence[int], other: Sequence[int]) -> list[int]:
    return [a + b for a, b in zip(one, other, strict=False)]
