"""Drain of the mail queues: how fast mail leaves for each provider, when none is left at that rate,
and how much ZoneMTA gives up before. Pure.

The rate is net of what comes: how many recipients fewer wait than at an earlier reading. Of a
domain that one of the two readings does not list it is not known, nor where the queue is longer
than an agent reads.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from server.mailqueues.accounting import Database
from server.metrics.mail_queue import MailQueue, QueueAge

#: The rate is of about this time; readings that are nearer to each other say nothing.
LOOKED_BACK, MIN_APART = timedelta(hours=1), timedelta(minutes=10)
#: An earlier reading that is older than this is of another time.
MAX_APART = timedelta(hours=3)
DAY_S = 86_400


@dataclass(frozen=True)
class Drain:
    """Mail that waits for one provider. None: not known.

    `drained_per_h`: net; negative where it grows. `empty_in_s`: None also where it never is, and
    `expiring_count`: those ZoneMTA gives up before that, if they are not delivered.
    `expiring_24h_count`: those it gives up within a day.
    """

    provider: str
    waiting_count: int
    drained_per_h: float | None
    empty_in_s: float | None
    expiring_count: int | None
    expiring_24h_count: int | None


@dataclass
class _Waiting:
    count: int = 0
    known_count: int = 0  # of the domains whose rate is known
    drained_per_h: float | None = None
    expiries: tuple[QueueAge, ...] | None = None


def forecast_drain(
    databases: Iterable[Database],
    earlier: Iterable[Database],
    provider_of: Mapping[str, str],
) -> list[Drain]:
    """Return the forecast of each provider with waiting mail, most mail first.

    `earlier`: the same queues as they were LOOKED_BACK ago. `provider_of`: by domain; a domain that
    is not in it is a provider of its own.
    """
    before = {each.name: each.detail for each in earlier}
    waiting: dict[str, _Waiting] = {}
    for database in databases:
        if database.detail is None or database.detail[1].destinations is None:
            continue
        rates = _rates(database.detail, before.get(database.name))
        queue = database.detail[1]
        for each in queue.destinations or ():
            one = waiting.setdefault(provider_of.get(each.domain, each.domain), _Waiting())
            count = sum(each.counts)
            one.count += count
            if each.domain in rates:
                one.known_count += count
            one.expiries = _add(one.expiries, queue.expiries, each.expiries)
        for domain, rate in rates.items():
            one = waiting.setdefault(provider_of.get(domain, domain), _Waiting())
            one.drained_per_h = (one.drained_per_h or 0.0) + rate
    drains = [_forecast(name, one) for name, one in waiting.items() if one.count]
    return sorted(drains, key=lambda each: (-each.waiting_count, each.provider))


def domains_of(databases: Iterable[Database]) -> list[str]:
    """Return the domains whose providers `forecast_drain` needs."""
    details = (database.detail[1] for database in databases if database.detail)
    return sorted({each.domain for queue in details for each in queue.destinations or ()})


def count_expiring(expiries: Sequence[QueueAge], within_s: float) -> int:
    """Return how many recipients are given up within a time; within a bracket they are taken as
    evenly spread, past the last bound as later."""
    total, begin_s = 0.0, 0
    for bracket in expiries:
        if bracket.up_to_s is None:
            break
        share = (within_s - begin_s) / max(bracket.up_to_s - begin_s, 1)
        total += bracket.count * min(max(share, 0.0), 1.0)
        begin_s = bracket.up_to_s
    return round(total)


def _forecast(provider: str, of: _Waiting) -> Drain:
    # Of a part of its domains a rate says nothing of the whole.
    rate = of.drained_per_h if of.known_count == of.count else None
    empty_in_s = 3600 * of.count / rate if rate and rate > 0 else None
    expiring = None
    if of.expiries is not None and empty_in_s is not None:
        expiring = count_expiring(of.expiries, empty_in_s)
    in_a_day = None if of.expiries is None else count_expiring(of.expiries, DAY_S)
    return Drain(provider, of.count, rate, empty_in_s, expiring, in_a_day)


def _rates(
    newest: tuple[datetime, MailQueue], earlier: tuple[datetime, MailQueue] | None
) -> dict[str, float]:
    """Return how many recipients of each domain leave in an hour, of those where that is known."""
    if earlier is None or not MIN_APART <= newest[0] - earlier[0] <= MAX_APART:
        return {}
    if _is_cut(newest[1]) or _is_cut(earlier[1]) or earlier[1].destinations is None:
        return {}
    hours = (newest[0] - earlier[0]) / timedelta(hours=1)
    now, before = (
        {each.domain: sum(each.counts) for each in queue.destinations or ()}
        for queue in (newest[1], earlier[1])
    )
    is_all_now, is_all_before = _lists_all(newest[1]), _lists_all(earlier[1])
    return {
        domain: (before.get(domain, 0) - now.get(domain, 0)) / hours
        for domain in sorted(now.keys() | before.keys())
        if (domain in now or is_all_now) and (domain in before or is_all_before)
    }


def _is_cut(queue: MailQueue) -> bool:
    waiting = queue.active_count + queue.deferred_count
    # Mail that came or left between two questions to the database is no cut.
    return queue.destinations_of_count is None or queue.destinations_of_count < 0.95 * waiting


def _lists_all(queue: MailQueue) -> bool:
    return queue.other_destinations is not None and queue.other_destinations.domains_count == 0


def _add(
    sums: tuple[QueueAge, ...] | None, bounds: Sequence[QueueAge] | None, counts: Sequence[int]
) -> tuple[QueueAge, ...] | None:
    """Add the counts of a destination; None where an agent of an earlier version has none."""
    if bounds is None or len(bounds) != len(counts) or not _are_brackets(bounds):
        return sums
    more = [QueueAge(each.up_to_s, n) for each, n in zip(bounds, counts, strict=True)]
    if sums is None or [each.up_to_s for each in sums] != [each.up_to_s for each in more]:
        return tuple(more) if sums is None else sums
    both = zip(sums, more, strict=True)
    return tuple(QueueAge(one.up_to_s, one.count + other.count) for one, other in both)


def _are_brackets(bounds: Sequence[QueueAge]) -> bool:
    """Return whether the bounds rise, and the last has none."""
    limits = [each.up_to_s for each in bounds[:-1]]
    known = [limit for limit in limits if limit is not None]
    return (
        bool(bounds)
        and len(known) == len(limits)
        and bounds[-1].up_to_s is None
        and all(one < other for one, other in pairwise(known))
    )
