"""What /email/stats is asked and answers."""

from typing import Any

from rest_framework import serializers

from server.api.query import DirectionQuery, SpanAnswer, span_answer
from server.rollups.histogram import DeliveryTimes
from server.rollups.mail import statistics
from server.rollups.mail.level_query import LevelQuery
from server.rollups.mail.queries import OUTCOMES
from server.rollups.mail.statistics import SORTS, Stats
from server.rollups.plan import Buckets

#: What a caller groups by → the dimension of the levels.
BY = {
    "domain": "from_domain",
    "destination": "to_domain",
    "node": "node",
    "ip": "sending_ip",
    "zone": "zone",
}


class StatsQuery(DirectionQuery):
    """The query string."""

    by = serializers.ChoiceField(choices=list(BY), default="destination")
    sort = serializers.ChoiceField(
        choices=list(SORTS),
        default="events",
        help_text="`value`, all `events` or those of a type, an outcome's share, bytes, or the"
        " times of deliveries. Values without it come last, equal ones in the order of `value`.",
    )
    order = serializers.ChoiceField(choices=["asc", "desc"], default="desc")
    limit = serializers.IntegerField(min_value=1, max_value=500, default=50)
    offset = serializers.IntegerField(min_value=0, max_value=1_000_000, default=0)


class DeliveryTimesAnswer(serializers.Serializer[Any]):
    """Times of deliveries. Percentiles are off by their histogram bin at most, the mean is exact.

    300 000 ms means 300 s or more.
    """

    count = serializers.IntegerField(help_text="Deliveries whose time is known.")
    average = serializers.FloatField(allow_null=True)
    p95 = serializers.FloatField(allow_null=True)
    p99 = serializers.FloatField(allow_null=True)


class OneStatsAnswer(serializers.Serializer[Any]):
    """One value. `ratios`: outcome → its share of all outcomes; empty without any."""

    value = serializers.CharField(allow_blank=True)
    events = serializers.DictField(child=serializers.IntegerField())
    inferred = serializers.IntegerField()
    ratios = serializers.DictField(child=serializers.FloatField())
    size_bytes = serializers.IntegerField()
    delivery_ms = DeliveryTimesAnswer()


class StatsAnswer(SpanAnswer):
    """A page of values, and the totals of all."""

    direction = serializers.CharField()
    by = serializers.CharField()
    values_count = serializers.IntegerField(help_text="Of all pages.")
    values = OneStatsAnswer(many=True)
    totals = OneStatsAnswer(allow_null=True)


def answer(
    *,
    buckets: Buckets,
    direction: str,
    by: str,
    sort: str,
    order: str,
    limit: int,
    offset: int,
    **_: Any,
) -> dict[str, Any]:
    """Return the answer."""
    page = statistics.stats(
        LevelQuery.of(buckets.merged, direction, BY[by]),
        sort=sort,
        descending=order == "desc",
        limit=limit,
        offset=offset,
    )
    whole = statistics.stats(
        LevelQuery.of(buckets.merged, direction), sort="value", descending=False, limit=1, offset=0
    )
    return {
        **span_answer(buckets),
        "direction": direction,
        "by": by,
        "values_count": page.values_count,
        "values": [one(stats, direction) for stats in page.values],
        "totals": one(whole.values[0], direction) if whole.values else None,
    }


def one(stats: Stats, direction: str) -> dict[str, Any]:
    """Return the values of OneStatsAnswer. Pure."""
    decided = sum(stats.events.get(kind, 0) for kind in OUTCOMES[direction])
    return {
        "value": stats.value,
        "events": stats.events,
        "inferred": stats.inferred,
        "ratios": {kind: stats.events.get(kind, 0) / decided for kind in OUTCOMES[direction]}
        if decided
        else {},
        "size_bytes": stats.size_bytes,
        "delivery_ms": times(stats.times),
    }


def times(found: DeliveryTimes) -> dict[str, Any]:
    """Return the values of DeliveryTimesAnswer. Pure."""
    return {
        "count": found.count,
        "average": found.average_ms,
        "p95": found.percentile_ms(0.95),
        "p99": found.percentile_ms(0.99),
    }
