"""Histogram of delivery times: mean, percentiles and brackets. Pure."""

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate, pairwise

from server.rollups.levels import DELIVERY_BOUNDS_MS

#: Bounds of the brackets the pages draw; each is a bound of the histogram, so they are exact.
BRACKETS_MS = (1_000, 3_000, 10_000, 30_000, 60_000, 300_000)


@dataclass(frozen=True)
class DeliveryTimes:
    """Delivery times of some deliveries: how many, their sum, how many fell into each bin."""

    count: int
    ms_sum: int
    bins: tuple[int, ...]

    @property
    def average_ms(self) -> float | None:
        """The exact mean; None where there is nothing."""
        return self.ms_sum / self.count if self.count else None

    def percentile_ms(self, share: float) -> float | None:
        """Return the time that `share` (0..1) of the deliveries took no longer than.

        Found by interpolation inside one bin, so it is off by that bin's width at most. The last
        bin has no end: what falls into it is given as its beginning, 300 s.
        """
        passed = list(accumulate(self.bins, initial=0))  # before each bin, and at the end
        wanted = share * passed[-1]
        if wanted <= 0:
            return None
        i = bisect_left(passed, wanted, lo=1) - 1
        if i >= len(DELIVERY_BOUNDS_MS):
            return float(DELIVERY_BOUNDS_MS[-1])
        lower = (0, *DELIVERY_BOUNDS_MS)[i]
        return lower + (DELIVERY_BOUNDS_MS[i] - lower) * (wanted - passed[i]) / self.bins[i]

    def brackets(self) -> list[int]:
        """Return how many deliveries took less than each of BRACKETS_MS, and how many the rest."""
        # Bin i ends at bound i: the first bins up to and with that of 1 s make "less than 1 s".
        ends = [0, *(DELIVERY_BOUNDS_MS.index(ms) + 1 for ms in BRACKETS_MS), len(self.bins)]
        return [sum(self.bins[first:last]) for first, last in pairwise(ends)]


NOTHING = DeliveryTimes(0, 0, (0,) * (len(DELIVERY_BOUNDS_MS) + 1))
