"""Which stretch of time the first paint counts: what the page's script asks the API for. Pure."""

from datetime import UTC, datetime, timedelta

from server.dashboard.frame import Asked
from server.rollups.level_query import Over
from server.rollups.levels import FIVE_MINUTES, ONE_HOUR, ONE_MINUTE, Level

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def chart_width(length: timedelta) -> timedelta:
    """Return the width of buckets that draws a range well; as chartWidth in flow.js."""
    if length <= 2 * HOUR:
        return timedelta(minutes=1)
    if length <= 12 * HOUR:
        return timedelta(minutes=5)
    if length <= 48 * HOUR:
        return timedelta(minutes=15)
    return HOUR if length <= 15 * DAY else DAY


def whole(asked: Asked, direction: str, dimension: str = "all", *, now: datetime) -> Over:
    """Return what to ask the levels about the whole range, moved outwards to whole buckets."""
    start, end = asked.span(now)
    width = chart_width(end - start)
    first = EPOCH + (start - EPOCH) // width * width
    last = EPOCH - (EPOCH - min(end, now)) // width * width
    return Over(_level(width), (first, max(last, first + width)), direction, dimension)


def _level(width: timedelta) -> Level:
    """Return the narrowest level that buckets of this width need; wider ones are read inside."""
    if width < FIVE_MINUTES.width:
        return ONE_MINUTE
    return FIVE_MINUTES if width < HOUR else ONE_HOUR
