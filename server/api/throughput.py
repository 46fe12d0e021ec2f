"""What /email/throughput is asked and answers."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from typing import Any

from rest_framework import serializers

from server.api.query import DirectionQuery, SpanAnswer, span_answer
from server.api.stats import BY
from server.rollups.levels import DIMENSIONS
from server.rollups.mail import queries
from server.rollups.mail.level_query import LevelQuery
from server.rollups.mail.queries import Count
from server.rollups.plan import Buckets

#: The levels' own names are understood as well.
SAME = {name: name for name in DIMENSIONS}
#: Buckets times series of one answer.
MAX_CELLS = 20_000


class ThroughputQuery(DirectionQuery):
    """The query string."""

    by = serializers.ChoiceField(
        choices=list(BY | SAME), required=False, help_text="`bounce`: type and category of bounces."
    )
    limit = serializers.IntegerField(
        min_value=1, max_value=100, default=10, help_text="Most series with `by`, largest first."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Bound the answer."""
        attrs = super().validate(attrs)
        if "by" in attrs and attrs["limit"] * len(attrs["buckets"].edges) > MAX_CELLS:
            text = f"more than {MAX_CELLS} numbers: choose a larger `width` or a smaller `limit`"
            raise serializers.ValidationError({"limit": text})
        return attrs


class BucketAnswer(serializers.Serializer[Any]):
    """One stretch of time. `events`: event type → count; a type not named counted 0."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    events = serializers.DictField(child=serializers.IntegerField())
    inferred = serializers.IntegerField(help_text="How many were inferred, not reported.")
    partial = serializers.BooleanField(  # type: ignore[assignment]  # shadows nothing used here
        help_text="The stretch is not over yet."
    )


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


def answer(
    *, buckets: Buckets, direction: str, limit: int, now: datetime, by: str | None = None
) -> dict[str, Any]:
    """Return the answer."""
    series = []
    if by:
        asked = LevelQuery.of(buckets, direction, (BY | SAME)[by])
        whole = LevelQuery.of(buckets.merged, direction, asked.dimension)
        values = queries.largest_values(whole, limit=limit)
        by_value = defaultdict(list)
        for count in queries.counts(asked, values=values):
            by_value[count.value].append(count)
        series = [{"value": v, "buckets": filled(by_value[v], buckets, now)} for v in values]
    return {
        **span_answer(buckets),
        "direction": direction,
        "by": by,
        "buckets": filled(queries.counts(LevelQuery.of(buckets, direction)), buckets, now),
        "series": series,
    }


def filled(counts: Iterable[Count], buckets: Buckets, now: datetime) -> list[dict[str, Any]]:
    """Return every bucket, empty ones too. Pure."""
    found: list[dict[str, Any]] = [
        {"start": start, "end": end, "events": {}, "inferred": 0, "partial": start <= now < end}
        for start, end in pairwise(buckets.edges)
    ]
    for count in counts:
        bucket = found[count.bucket]
        bucket["events"][count.event_type] = count.events
        bucket["inferred"] += count.inferred
    return found
