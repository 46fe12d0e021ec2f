"""/email/throughput: events by type over time."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from rest_framework import serializers

from server.api.answers import BucketAnswer, SpanAnswer, build_buckets, build_span
from server.api.query_params import GROUPINGS, DirectionQuery
from server.api.views import query_view
from server.rollups.levels import DIMENSIONS
from server.rollups.mail import queries
from server.rollups.mail.level_query import LevelQuery
from server.rollups.plan import Buckets

#: The levels' own names are accepted as well.
ALL_GROUPINGS = GROUPINGS | {name: name for name in DIMENSIONS}
#: Buckets times series of one answer.
MAX_CELLS = 20_000


class ThroughputQuery(DirectionQuery):
    """Query of /email/throughput."""

    by = serializers.ChoiceField(
        choices=list(ALL_GROUPINGS),
        required=False,
        help_text="`bounce`: type and category of bounces.",
    )
    limit = serializers.IntegerField(
        min_value=1, max_value=100, default=10, help_text="Most series with `by`, largest first."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if "by" in attrs and attrs["limit"] * len(attrs["buckets"].edges) > MAX_CELLS:
            text = f"more than {MAX_CELLS} numbers: choose a larger `width` or a smaller `limit`"
            raise serializers.ValidationError({"limit": text})
        return attrs


class SeriesAnswer(serializers.Serializer[Any]):
    """The buckets of one value."""

    value = serializers.CharField(allow_blank=True)
    buckets = BucketAnswer(many=True)


class ThroughputAnswer(SpanAnswer):
    """All buckets of the range, oldest first, empty ones too; with `by` a series a value."""

    direction = serializers.CharField()
    by = serializers.CharField(allow_null=True)
    buckets = BucketAnswer(many=True)
    series = SeriesAnswer(many=True)


def build_throughput(
    *, buckets: Buckets, direction: str, limit: int, now: datetime, by: str | None = None
) -> dict[str, Any]:
    series = []
    if by:
        query = LevelQuery.of(buckets, direction, ALL_GROUPINGS[by])
        total = LevelQuery.of(buckets.merged, direction, query.dimension)
        values = queries.largest_values(total, limit=limit)
        by_value = defaultdict(list)
        for count in queries.counts(query, values=values):
            by_value[count.value].append(count)
        series = [{"value": v, "buckets": build_buckets(by_value[v], buckets, now)} for v in values]
    return {
        **build_span(buckets),
        "direction": direction,
        "by": by,
        "buckets": build_buckets(queries.counts(LevelQuery.of(buckets, direction)), buckets, now),
        "series": series,
    }


ThroughputView = query_view(
    build_throughput,
    ThroughputQuery,
    ThroughputAnswer,
    summary="Throughput",
    description="Answer bucket by bucket, with `by` for each value as well.",
    is_cached=True,
)
