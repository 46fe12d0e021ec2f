"""/email/sizes: how large messages are."""

from datetime import datetime
from typing import Any

from rest_framework import serializers

from server.api.answers import BracketAnswer, SpanAnswer, build_brackets, build_span, build_starts
from server.api.query_params import DirectionQuery
from server.api.views import query_view
from server.rollups.levels import SIZE_BOUNDS_BYTES
from server.rollups.mail import queries
from server.rollups.mail.level_query import LevelQuery
from server.rollups.plan import Buckets


class SizeTrendAnswer(serializers.Serializer[Any]):
    """One bucket."""

    start = serializers.DateTimeField()
    partial = serializers.BooleanField()  # type: ignore[assignment]  # DRF's own is not used
    count = serializers.IntegerField()
    average = serializers.FloatField(allow_null=True)


class SizesAnswer(SpanAnswer):
    """Sizes of messages in bytes: of those delivered going out, of those received coming in."""

    direction = serializers.CharField()
    count = serializers.IntegerField(help_text="Messages whose size is known.")
    average = serializers.FloatField(allow_null=True)
    histogram = BracketAnswer(many=True, help_text="Edges in bytes.")
    trend = SizeTrendAnswer(many=True)


def build_sizes(*, buckets: Buckets, direction: str, now: datetime) -> dict[str, Any]:
    sizes = queries.sizes(LevelQuery.of(buckets, direction))
    by_bucket = {each.bucket: [each] for each in sizes}
    zeros = (0,) * (len(SIZE_BOUNDS_BYTES) + 1)
    brackets = zip(zeros, *(each.brackets for each in sizes), strict=True)
    return {
        **build_span(buckets),
        "direction": direction,
        **_build_average(sizes),
        "histogram": build_brackets(SIZE_BOUNDS_BYTES, [sum(counts) for counts in brackets]),
        "trend": [
            start | _build_average(by_bucket.get(i, []))
            for i, start in enumerate(build_starts(buckets, now))
        ],
    }


def _build_average(sizes: list[queries.Sizes]) -> dict[str, Any]:
    count = sum(each.count for each in sizes)
    total = sum(each.bytes_sum for each in sizes)
    return {"count": count, "average": total / count if count else None}


SizesView = query_view(
    build_sizes, DirectionQuery, SizesAnswer, summary="Message sizes", is_cached=True
)
