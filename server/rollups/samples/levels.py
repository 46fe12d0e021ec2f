"""Levels of the samples: their widths and tables, for each kind of the catalogue. Pure.

A level stores the sum, count and maximum of a gauge, the last value of a counter, and `last_at`,
when that was. All of them merge in any order.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from server.metrics.catalogue import KINDS, SampleKind
from server.rollups.levels import DAILY, FIVE_MINUTES, ONE_HOUR, Level

#: Narrowest first; each is made of the one before it, the first of the samples themselves.
WIDTHS = (FIVE_MINUTES, ONE_HOUR, DAILY)


@dataclass(frozen=True)
class SampleLevel:
    """One level of one kind; `of` has its width and the width of its chunks."""

    kind: SampleKind
    of: Level

    @property
    def table(self) -> str:
        """Its table: metrics_redis_5m, and the like."""
        return f"{self.kind.table}_{self.of.name}"

    @property
    def narrower(self) -> "SampleLevel | None":
        """The level this one is made of; None: the samples."""
        place = WIDTHS.index(self.of)
        return SampleLevel(self.kind, WIDTHS[place - 1]) if place else None


def levels_of(kind: SampleKind) -> tuple[SampleLevel, ...]:
    """Return the levels of a kind, narrowest first."""
    return tuple(SampleLevel(kind, width) for width in WIDTHS)


def all_levels() -> Iterator[SampleLevel]:
    for kind in KINDS:
        yield from levels_of(kind)


def rate_name(counter: str) -> str:
    """Return the name of a counter's growth a second."""
    return f"{counter.removesuffix('_total').removesuffix('_count')}_per_s"
