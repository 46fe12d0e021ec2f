"""Pure: numbered batches → as few ledger entries as record the same."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from operator import attrgetter

Range = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class NumberedBatch:
    """One numbered batch: numbers first_seq … first_seq + count - 1, refused ones included.

    `refused`: how many of them were refused; `refused_ranges`: which, or only the first of them.
    `dropped`: what the agent reports as dropped. Of both, (first, last), both ends included.
    """

    node: str
    epoch: str
    first_seq: int
    count: int
    refused: int
    received_at: datetime
    dropped: tuple[Range, ...] = ()
    refused_ranges: tuple[Range, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """One or more batches of an epoch, merged. Upper ends of ranges are excluded.

    `refused`: ranges; `unnumbered_refusals`: how many more there are.
    """

    node: str
    epoch: str
    received: tuple[Range, ...]
    dropped: tuple[Range, ...]
    refused: tuple[Range, ...]
    unnumbered_refusals: int
    first_received_at: datetime
    last_received_at: datetime

    @property
    def first_seq(self) -> int:
        return min(lower for lower, _ in (*self.received, *self.dropped))

    @property
    def has_refusals(self) -> bool:
        return bool(self.refused or self.unnumbered_refusals)


def merge_batches(batches: Iterable[NumberedBatch]) -> list[list[LedgerEntry]]:
    """Return the entries to record, round by round; each round names an epoch once, in key order,
    so that writers never wait in a circle.

    Batches of an epoch are merged where nothing is lost by it: not where they overlap, as repeated
    numbers are counted, and not with refusals, which are counted once for each batch.
    """
    ordered = sorted(batches, key=attrgetter("node", "epoch", "first_seq"))
    by_epoch = groupby(ordered, attrgetter("node", "epoch"))
    epochs = [_merge_epoch(of_one) for _, of_one in by_epoch]
    count = max(map(len, epochs), default=0)
    return [[entries[n] for entries in epochs if n < len(entries)] for n in range(count)]


def _merge_epoch(batches: Iterable[NumberedBatch]) -> list[LedgerEntry]:
    merged: list[LedgerEntry] = []
    for entry in map(_to_entry, batches):
        last = merged[-1] if merged else entry
        may_merge = merged and not entry.has_refusals and not last.has_refusals
        if may_merge and _follows(last, entry):
            merged[-1] = _merge(last, entry)
        else:
            merged.append(entry)
    return merged


def _to_entry(batch: NumberedBatch) -> LedgerEntry:
    return LedgerEntry(
        node=batch.node,
        epoch=batch.epoch,
        # An empty batch still has its number.
        received=((batch.first_seq, batch.first_seq + batch.count),),
        dropped=_open_ends(batch.dropped),
        refused=_open_ends(batch.refused_ranges),
        unnumbered_refusals=batch.refused - _count(batch.refused_ranges),
        first_received_at=batch.received_at,
        last_received_at=batch.received_at,
    )


def _open_ends(ranges: Iterable[Range]) -> tuple[Range, ...]:
    return tuple((first, last + 1) for first, last in ranges)


def _count(ranges: Iterable[Range]) -> int:
    return sum(last - first + 1 for first, last in ranges)


def _follows(one: LedgerEntry, other: LedgerEntry) -> bool:
    """Return whether `other` has no number of `one`; batches come in the order of their first."""
    return one.received[-1][1] <= other.received[0][0]


def _merge(one: LedgerEntry, other: LedgerEntry) -> LedgerEntry:
    *before, (lower, upper) = one.received
    (next_lower, next_upper), *_ = other.received
    touching = [(lower, next_upper)] if upper == next_lower else [(lower, upper), *other.received]
    return replace(
        one,
        received=(*before, *touching),
        dropped=one.dropped + other.dropped,
        first_received_at=min(one.first_received_at, other.first_received_at),
        last_received_at=max(one.last_received_at, other.last_received_at),
    )
