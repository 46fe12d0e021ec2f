"""Gauges of the delivery times. Pure."""

from dataclasses import dataclass

from server.formats import milliseconds
from server.rollups.histogram import DeliveryTimes

#: Below the first it is fast, below the second slow, above very slow.
THRESHOLDS_MS = (3_000, 10_000)
LEVELS = (("ok", "fast"), ("warning", "slow"), ("critical", "very slow"))


@dataclass(frozen=True)
class Gauge:
    """One number of the delivery times, None: unknown. `share`: how much of its ring it fills."""

    name: str
    label: str
    ms: float | None
    text: str
    share: float
    level: str
    word: str


def build_gauges(times: DeliveryTimes) -> list[Gauge]:
    """Return average, P95 and P99."""
    return [
        _gauge("average", "Average", times.average_ms),
        _gauge("p95", "95 % within", times.percentile_ms(0.95)),
        _gauge("p99", "99 % within", times.percentile_ms(0.99)),
    ]


def _gauge(name: str, label: str, ms: float | None) -> Gauge:
    if ms is None:
        return Gauge(name, label, None, milliseconds(None), 0, "none", "no deliveries")
    level, word = LEVELS[sum(ms >= threshold for threshold in THRESHOLDS_MS)]
    return Gauge(name, label, ms, milliseconds(ms), gauge_share(ms), level, word)


def gauge_share(ms: float | None) -> float:
    """Return how much of its ring, in percent, a gauge fills: half of it at 3 s.

    80 % at 10 s, all of it from 30 s on.
    """
    lower_ms, lower_share = 0, 0
    for upper_ms, upper_share in ((3_000, 50), (10_000, 80), (30_000, 100)):
        if (ms or 0) < upper_ms:
            within = ((ms or 0) - lower_ms) / (upper_ms - lower_ms)
            return lower_share + within * (upper_share - lower_share)
        lower_ms, lower_share = upper_ms, upper_share
    return 100
