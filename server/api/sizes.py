"""What /email/sizes is asked and answers."""

from datetime import datetime
from itertools import pairwise
from typing import Any

from rest_framework import serializers

from server.api.performance import BracketAnswer, brackets
from server.api.query import SpanAnswer, span_answer
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


def answer(*, buckets: Buckets, direction: str, now: datetime) -> dict[str, Any]:
    """Return the answer."""
    found = {sizes.bucket: sizes for sizes in queries.sizes(LevelQuery.of(buckets, direction))}
    zeros = (0,) * (len(SIZE_BOUNDS_BYTES) + 1)
    parts = [zeros, *(sizes.brackets for sizes in found.values())]
    count = sum(sizes.count for sizes in found.values())
    return {
        **span_answer(buckets),
        "direction": direction,
        "count": count,
        "average": _average(sum(sizes.bytes_sum for sizes in found.values()), count),
        "histogram": brackets(SIZE_BOUNDS_BYTES, [sum(c) for c in zip(*parts, strict=True)]),
        "trend": [
            {"start": start, "partial": start <= now < end}
            | (
                {"count": found[i].count, "average": _average(found[i].bytes_sum, found[i].count)}
                if i in found
                else {"count": 0, "average": None}
            )
            for i, (start, end) in enumerate(pairwise(buckets.edges))
        ],
    }


def _average(total: int, count: int) -> float | None:
    return total / count if count else None
