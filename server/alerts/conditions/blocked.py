"""Mail that open blocks hold up, as evidence of what it leads to: bounces, queues, ages. Pure.

A reading to whose figure an open block adds names it as `block`, the one that adds most, with the
figure that would be without all blocks: the evaluator hides what would not fire then under it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.alerts.snapshot import MailMinute, Snapshot, add_minutes
from server.events.domains import to_ascii
from server.mailqueues.accounting import Database
from server.mailqueues.summary import AGES_S

Evidence = dict[str, Any]


def explain_mail(
    snapshot: Snapshot,
    minutes: Iterable[MailMinute],
    measure: Callable[[MailMinute], tuple[float, int]],
    wrong: Callable[[MailMinute], int],
) -> Evidence:
    """Return the evidence of the outcomes of some minutes, of which `wrong` says how many are too
    many. Minutes whose details are not counted yet are taken to be as the others."""
    every = {minute.at: minute for minute in minutes}
    until = snapshot.details_until
    counted = {at: minute for at, minute in every.items() if until and at <= until}
    sums = {
        name: add_minutes(snapshot.now, (m for m in each.minutes if m.at in counted))
        for name, each in snapshot.blocked.items()
    }
    name = _find_largest({name: wrong(each) for name, each in sums.items()})
    if not name:
        return {}
    total, of_counted = (add_minutes(snapshot.now, e.values()) for e in (every, counted))
    blocked = add_minutes(snapshot.now, sums.values())

    rest = [
        _leave(getattr(total, name), getattr(of_counted, name), getattr(blocked, name))
        for name in ("delivered", "bounced", "deferred")
    ]
    value, count = measure(MailMinute(snapshot.now, *rest))
    return {"block": name, "without_block": value, "without_block_of": count}


def _leave(total: int, counted: int, blocked: int) -> int:
    """Return how many of all are not the blocks', by how many of those with details are not."""
    return round(total * max(0, counted - blocked) / counted) if counted else total


@dataclass(frozen=True)
class Waiting:
    """Recipients in each bracket of ages: all of a queue, and those for providers with a block."""

    total: Sequence[int]
    by_provider: Mapping[str, Sequence[int]]


def count_waiting(snapshot: Snapshot, queue: Database) -> Waiting:
    """Return what waits in a queue; nothing while no block is open, or nobody read for whom."""
    total = [0 for _ in AGES_S]
    by_provider: dict[str, list[int]] = {}
    detail = queue.detail[1] if queue.detail and snapshot.blocked else None
    if detail is None or detail.destinations is None:
        return Waiting(total, by_provider)
    providers = {each.provider for each in snapshot.blocked.values()}
    for each in detail.destinations:
        _add_counts(total, each.counts)
        provider = snapshot.providers.get(to_ascii(each.domain), "")
        if provider in providers:
            _add_counts(by_provider.setdefault(provider, [0 for _ in AGES_S]), each.counts)
    if detail.other_destinations:
        _add_counts(total, detail.other_destinations.counts)
    return Waiting(total, by_provider)


def explain_length(snapshot: Snapshot, waiting: Waiting, node: str, count: int) -> Evidence:
    """Return the evidence of a node's share of a queue, by the blocks that refused its mail lately.
    How much of a share is for whom nobody reads: it counts as how much of the whole queue is."""
    parts = {
        name: sum(waiting.by_provider.get(each.provider, ()))
        for name, each in snapshot.blocked.items()
        if node in each.nodes
    }
    name = _find_largest(parts)
    if not name:
        return {}
    part = min(1.0, sum(parts.values()) / sum(waiting.total))
    return {"block": name, "without_block": round(count * (1 - part))}


def explain_age(snapshot: Snapshot, waiting: Waiting, age_s: float) -> Evidence:
    """Return the evidence of the oldest mail of a queue: how old the oldest of others may be."""
    held = [sum(counts) for counts in zip(*waiting.by_provider.values(), strict=True)]
    if not held:
        return {}
    oldest = max((place for place, count in enumerate(waiting.total) if count), default=0)
    name = _find_largest(
        {
            name: waiting.by_provider[each.provider][oldest]
            for name, each in snapshot.blocked.items()
            if each.provider in waiting.by_provider
        }
    )
    if not name:
        return {}
    bounds = (age_s if bound is None else float(bound) for bound in AGES_S)
    others = [
        bound
        for bound, total, blocked in zip(bounds, waiting.total, held, strict=True)
        if total > blocked
    ]
    return {"block": name, "without_block": min(age_s, max(others, default=0.0))}


def find_block(snapshot: Snapshot, provider: str, sending_ip: str) -> str:
    """Return the open block of a provider that refuses mail of an IP; empty where there is none."""
    names = (f"{provider} provider", f"{provider} ip {sending_ip}")
    return next((name for name in names if name in snapshot.blocked), "") if provider else ""


def _add_counts(total: list[int], counts: Sequence[int]) -> None:
    """Add to `total`; brackets of other versions that are past the known ones are left out."""
    for place, count in enumerate(counts[: len(total)]):
        total[place] += count


def _find_largest(parts: Mapping[str, int]) -> str:
    """Return the block that adds most; empty where none adds anything."""
    added = [name for name, part in parts.items() if part > 0]
    return max(added, key=lambda name: (parts[name], name), default="")
