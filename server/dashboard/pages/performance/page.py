"""Delivery times and sizes as the page Performance is first painted with them. Pure."""

from dataclasses import dataclass

from server.formats import gauge_share, milliseconds
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


def gauges(times: DeliveryTimes) -> list[Gauge]:
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
