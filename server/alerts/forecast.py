"""Forecast of when a node's disk will be full. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from statistics import median

from server.alerts.conditions import resources
from server.alerts.conditions.condition import find_thresholds
from server.formats import byte_size, duration

#: Fewer readings show no trend of a day.
MIN_SPAN = timedelta(hours=6)
MIN_READINGS = 6
#: What fills slower than this is not filling: logs are rotated and mail is fetched long before.
MAX_FORECAST = timedelta(days=365)
#: So many of all pairs of readings must show less space later than earlier. A disk that goes up
#: and down (rotation, backups) stays near a half.
FALLING_PAIRS = 0.7
_THRESHOLDS = find_thresholds(resources.RULES)
#: Warned of when it is nearer than this; critical nearer than the second.
SOON = timedelta(seconds=_THRESHOLDS["disk_full_in_days"])
VERY_SOON = timedelta(seconds=_THRESHOLDS["disk_full_in_a_day"])
#: A unit, its length, and up to which length it is used.
UNITS = (
    ("hour", timedelta(hours=1), timedelta(days=2)),
    ("day", timedelta(days=1), timedelta(weeks=3)),
    ("week", timedelta(weeks=1), timedelta.max),
)


@dataclass(frozen=True)
class Forecast:
    """`level`: ok, warning, critical or none (unknown). `basis`: the readings it rests on.

    `full_in`: from the last reading; None where the disk is not filling or the forecast is unknown.
    """

    level: str
    text: str
    basis: str
    full_in: timedelta | None = None


def forecast_disk(readings: Sequence[tuple[datetime, float]]) -> Forecast:
    """Judge the free bytes of a disk over time (time, bytes), oldest first.

    By the median of the slopes of all pairs (Theil and Sen), which one night of log rotation or
    one large download does not move. Hourly means of a week make 14,000 pairs.
    """
    count = len(readings)
    if count == 0:
        return Forecast("none", "unknown", "no reading of the disk in this time")
    span = readings[-1][0] - readings[0][0]
    means = f"{count} hourly means" if count != 1 else "1 hourly mean"
    over = f"{means} over {duration(span.total_seconds())}"
    if count < MIN_READINGS or span < MIN_SPAN:
        needed = duration(MIN_SPAN.total_seconds())
        return Forecast("none", "not known yet", f"{over}; it takes {needed} of them")
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0]).total_seconds()
        for earlier, later in combinations(readings, 2)
        if later[0] > earlier[0]
    ]
    per_second = median(slopes)
    falling = sum(slope < 0 for slope in slopes) / len(slopes)
    if per_second >= 0 or falling < FALLING_PAIRS:
        return Forecast("ok", "not filling", f"free space has no downward trend in {over}")
    seconds = readings[-1][1] / -per_second
    basis = f"free space fell by {byte_size(-per_second * 86_400)} a day in {over}"
    if seconds > MAX_FORECAST.total_seconds():
        return Forecast("ok", "not filling", f"{basis}: enough for more than a year")
    full_in = timedelta(seconds=seconds)
    level = "critical" if full_in < VERY_SOON else "warning" if full_in < SOON else "ok"
    return Forecast(level, f"full in about {approximate(full_in)}", basis, full_in)


def approximate(length: timedelta) -> str:
    """Return a length as roughly as a forecast knows it: "5 hours", "3 days", "7 weeks"."""
    unit, size, _ = next(each for each in UNITS if length < each[2])
    count = max(1, round(length / size))
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
