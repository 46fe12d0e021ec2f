"""Pure: numbered batches → the fewest entries that tell the ledger the same."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

Range = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Numbered:
    """One numbered batch: numbers first_seq … first_seq + count - 1, refused ones included.

    `dropped`: (first, last) ranges, both ends included, that the agent says it dropped.
    """

    node: str
    epoch: str
    first_seq: int
    count: int
    refused: int
    received_at: datetime
    dropped: tuple[Range, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Told:
    """What one or more batches of an epoch say together. Upper ends of ranges are left out."""

    node: str
    epoch: str
    received: tuple[Range, ...]
    dropped: tuple[Range, ...]
    refused: int
    first_received_at: datetime
    last_received_at: datetime

    @property
    def first_seq(self) -> int:
        """The lowest number heard of."""
        return min(lower for lower, _ in (*self.received, *self.dropped))


def rounds(batches: Iterable[Numbered]) -> list[list[Told]]:
    """Return what to enter, in order; in each round an epoch is named once, in key order, so that
    writers never wait in a circle.

    Batches of an epoch go into one entry where nothing is lost by it: not where they overlap, as
    what comes again is counted, and not with refusals, which are counted once for each batch.
    """
    ordered = sorted(batches, key=lambda each: (each.node, each.epoch, each.first_seq))
    epochs = [_joined(list(of_one)) for _, of_one in groupby(ordered, _key)]
    longest = max(map(len, epochs), default=0)
    return [[told[n] for told in epochs if n < len(told)] for n in range(longest)]


def _key(batch: Numbered) -> tuple[str, str]:
    return batch.node, batch.epoch


def _joined(batches: Sequence[Numbered]) -> list[Told]:
    joined: list[Told] = []
    for told in map(_told, batches):
        if joined and not told.refused and not joined[-1].refused and _follows(joined[-1], told):
            joined[-1] = _both(joined[-1], told)
        else:
            joined.append(told)
    return joined


def _told(batch: Numbered) -> Told:
    end = batch.first_seq + batch.count
    dropped = tuple((first, last + 1) for first, last in batch.dropped)
    return Told(
        node=batch.node,
        epoch=batch.epoch,
        # A batch of nothing is at its number all the same.
        received=((batch.first_seq, end),),
        dropped=dropped,
        refused=batch.refused,
        first_received_at=batch.received_at,
        last_received_at=batch.received_at,
    )


def _follows(one: Told, other: Told) -> bool:
    """Return whether `other` has no number of `one`; batches come in the order of their first."""
    return one.received[-1][1] <= other.received[0][0]


def _both(one: Told, other: Told) -> Told:
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
