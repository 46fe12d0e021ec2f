"""/email/sizes: how large messages are."""

from datetime import datetime
from itertools import pairwise
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from server.api.answers import BracketAnswer, SpanAnswer, build_brackets, build_span
from server.api.caching import cache_answer
from server.api.permissions import REFUSALS, ReadView
from server.api.query_params import DirectionQuery, parse_query
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
    """Return the values of SizesAnswer."""
    by_bucket = {sizes.bucket: sizes for sizes in queries.sizes(LevelQuery.of(buckets, direction))}
    zeros = (0,) * (len(SIZE_BOUNDS_BYTES) + 1)
    parts = [zeros, *(sizes.brackets for sizes in by_bucket.values())]
    count = sum(sizes.count for sizes in by_bucket.values())
    return {
        **build_span(buckets),
        "direction": direction,
        "count": count,
        "average": _average(sum(sizes.bytes_sum for sizes in by_bucket.values()), count),
        "histogram": build_brackets(SIZE_BOUNDS_BYTES, [sum(c) for c in zip(*parts, strict=True)]),
        "trend": [
            {"start": start, "partial": start <= now < end}
            | (
                {
                    "count": by_bucket[i].count,
                    "average": _average(by_bucket[i].bytes_sum, by_bucket[i].count),
                }
                if i in by_bucket
                else {"count": 0, "average": None}
            )
            for i, (start, end) in enumerate(pairwise(buckets.edges))
        ],
    }


def _average(total: int, count: int) -> float | None:
    return total / count if count else None


class SizesView(ReadView):
    """How large messages are."""

    @extend_schema(
        summary="Message sizes",
        parameters=[DirectionQuery],
        responses={200: SizesAnswer, **REFUSALS},
    )
    @cache_answer
    def get(self, request: Request) -> Response:
        """Answer."""
        return Response(build_sizes(**parse_query(DirectionQuery, request)))
