"""Gauges of the delivery times. Pure."""

from dataclasses import dataclass
from itertools import pairwise

from server.formats import milliseconds
from server.rollups.histogram import DeliveryTimes

#: Below the first it is fast, below the second slow, above very slow.
THRESHOLDS_MS = (3_000, 10_000)
LEVELS = (("ok", "fast"), ("warning", "slow"), ("critical", "very slow"))
#: How much of its ring, in percent, a gauge fills at so many ms; it grows evenly in between.
SHARES = ((0, 0), (3_000, 50), (10_000, 80), (30_000, 100))


@dataclass(frozen=True)
class Gauge:
    """One number of the delivery times. `share`: how much of its ring it fills, in percent."""

    name: str
    label: str
    text: str
    share: float
    level: str
    word: str


def build_gauges(times: DeliveryTimes) -> list[Gauge]:
    return [
        _gauge("average", "Average", times.average_ms),
        _gauge("p95", "95 % within", times.percentile_ms(0.95)),
        _gauge("p99", "99 % within", times.percentile_ms(0.99)),
    ]


def _gauge(name: str, label: str, ms: float | None) -> Gauge:
    level, word = "none", "no deliveries"
    if ms is not None:
        level, word = LEVELS[sum(ms >= threshold for threshold in THRESHOLDS_MS)]
    return Gauge(name, label, milliseconds(ms), gauge_share(ms or 0), level, word)


def gauge_share(ms: float) -> float:
    for (lower_ms, lower), (upper_ms, upper) in pairwise(SHARES):
        if ms < upper_ms:
            return lower + (ms - lower_ms) / (upper_ms - lower_ms) * (upper - lower)
    return 100
