"""Which stretch of time the first paint counts: what the page's script asks the API for. Pure."""

from datetime import datetime

from server.dashboard.frame import Asked
from server.rollups.mail.level_query import LevelQuery
from server.rollups.plan import plan_total


def whole(asked: Asked, direction: str, dimension: str = "all", *, now: datetime) -> LevelQuery:
    """Return the query of a page's whole range as one bucket."""
    start, end = asked.span(now)
    return LevelQuery.of(plan_total(start, end, now=now), direction, dimension)
