"""/email/performance: delivery times, by bracket, destination and bucket."""

from datetime import datetime
from typing import Any

from rest_framework import serializers

from server.api.answers import (
    BracketAnswer,
    DeliveryTimesAnswer,
    SpanAnswer,
    build_brackets,
    build_span,
    build_starts,
    build_times,
)
from server.api.query_params import GROUPINGS, DestinationsQuery
from server.api.views import query_view
from server.rollups.histogram import BRACKETS_MS, NOTHING, DeliveryTimes
from server.rollups.mail import queries
from server.rollups.mail.level_query import LevelQuery
from server.rollups.plan import Buckets


class PerformanceQuery(DestinationsQuery):
    """Query of /email/performance."""

    by = serializers.ChoiceField(
        choices=["destination", "provider"],
        default="destination",
        help_text="What `destinations` are: domains, or the operators of their servers.",
    )


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


def build_performance(
    *, buckets: Buckets, direction: str, limit: int, now: datetime, by: str
) -> dict[str, Any]:
    times = queries.delivery_times(LevelQuery.of(buckets, direction))
    by_bucket = {t.bucket: t.times for t in times}
    total = add_times(list(by_bucket.values()))
    query = LevelQuery.of(buckets.merged, direction, GROUPINGS[by])
    values = queries.largest_values(query, limit=limit, event_type="delivered")
    by_value = {t.value: t.times for t in queries.delivery_times(query, values=values)}
    return {
        **build_span(buckets),
        "direction": direction,
        "delivery_ms": build_times(total),
        "histogram": build_brackets(BRACKETS_MS, total.brackets()),
        "destinations": [{"value": v, **build_times(by_value[v])} for v in values],
        "trend": [
            start | build_times(by_bucket.get(i, NOTHING))
            for i, start in enumerate(build_starts(buckets, now))
        ],
    }


def add_times(parts: list[DeliveryTimes]) -> DeliveryTimes:
    bins = [sum(column) for column in zip(*(part.bins for part in [NOTHING, *parts]), strict=True)]
    return DeliveryTimes(
        sum(part.count for part in parts), sum(part.ms_sum for part in parts), tuple(bins)
    )


PerformanceView = query_view(
    build_performance,
    PerformanceQuery,
    PerformanceAnswer,
    summary="Delivery performance",
    is_cached=True,
)
