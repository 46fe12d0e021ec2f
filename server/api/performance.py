"""What /email/performance is asked and answers."""

from datetime import datetime
from itertools import pairwise
from typing import Any

from rest_framework import serializers

from server.api.query import DirectionQuery, SpanAnswer, span_answer
from server.api.stats import DeliveryTimesAnswer, times
from server.rollups.histogram import BRACKETS_MS, NOTHING, DeliveryTimes
from server.rollups.mail import queries
from server.rollups.mail.level_query import LevelQuery
from server.rollups.plan import Buckets


class PerformanceQuery(DirectionQuery):
    """The query string."""

    limit = serializers.IntegerField(
        min_value=1, max_value=100, default=20, help_text="Most destinations, largest first."
    )


class BracketAnswer(serializers.Serializer[Any]):
    """How many fell into [from, to); `to` null: no upper end."""

    count = serializers.IntegerField()
    to = serializers.IntegerField(allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        """Add `from`, which Python does not let a class say."""
        return {"from": serializers.IntegerField(), **super().get_fields()}


class DestinationTimesAnswer(DeliveryTimesAnswer):
    """One destination."""

    value = serializers.CharField(allow_blank=True)


class TrendAnswer(DeliveryTimesAnswer):
    """One bucket."""

    start = serializers.DateTimeField()
    partial = serializers.BooleanField()  # type: ignore[assignment]  # DRF's own is not used


class PerformanceAnswer(SpanAnswer):
    """Delivery times in ms. The brackets of the histogram are exact."""

    direction = serializers.CharField()
    delivery_ms = DeliveryTimesAnswer()
    histogram = BracketAnswer(many=True, help_text="Edges in ms.")
    destinations = DestinationTimesAnswer(many=True)
    trend = TrendAnswer(many=True)


def answer(*, buckets: Buckets, direction: str, limit: int, now: datetime) -> dict[str, Any]:
    """Return the answer."""
    by_bucket = {
        t.bucket: t.times for t in queries.delivery_times(LevelQuery.of(buckets, direction))
    }
    whole = added(list(by_bucket.values()))
    asked = LevelQuery.of(buckets.merged, direction, "to_domain")
    values = queries.largest_values(asked, limit=limit, event_type="delivered")
    by_value = {t.value: t.times for t in queries.delivery_times(asked, values=values)}
    return {
        **span_answer(buckets),
        "direction": direction,
        "delivery_ms": times(whole),
        "histogram": brackets(BRACKETS_MS, whole.brackets()),
        "destinations": [{"value": v, **times(by_value[v])} for v in values],
        "trend": [
            {"start": start, "partial": start <= now < end, **times(by_bucket.get(i, NOTHING))}
            for i, (start, end) in enumerate(pairwise(buckets.edges))
        ],
    }


def added(parts: list[DeliveryTimes]) -> DeliveryTimes:
    """Return the times of all parts together. Pure."""
    bins = [sum(column) for column in zip(*(part.bins for part in [NOTHING, *parts]), strict=True)]
    return DeliveryTimes(
        sum(part.count for part in parts), sum(part.ms_sum for part in parts), tuple(bins)
    )


def brackets(bounds: tuple[int, ...], counts: list[int]) -> list[dict[str, Any]]:
    """Return the values of BracketAnswer for counts between bounds. Pure."""
    return [
        {"from": lower, "to": upper, "count": count}
        for lower, upper, count in zip((0, *bounds), (*bounds, None), counts, strict=True)
    ]
