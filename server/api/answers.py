"""Parts of answers that several endpoints share."""

from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import pairwise
from typing import Any

from rest_framework import serializers

from server.rollups.histogram import DeliveryTimes
from server.rollups.mail.queries import Count
from server.rollups.plan import Buckets


class SpanAnswer(serializers.Serializer[Any]):
    """The time that the answer covers. Edges lie outwards of the range, on whole buckets."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField(help_text="Left out; may be later than now.")
    level = serializers.CharField(help_text="The level read: 1m, 5m, 1h or daily.")
    width_s = serializers.IntegerField(help_text="Of a bucket; days may be an hour off.")
    cut = serializers.BooleanField(help_text="The range began before the oldest counts.")


def build_span(buckets: Buckets) -> dict[str, Any]:
    return {
        "start": buckets.start,
        "end": buckets.end,
        "level": buckets.level.name,
        "width_s": int(buckets.width.total_seconds()),
        "cut": buckets.cut,
    }


def build_starts(buckets: Buckets, now: datetime) -> list[dict[str, Any]]:
    """Return `start` and `partial`, whether it is not over yet, of every bucket. Pure."""
    return [
        {"start": start, "partial": start <= now < end} for start, end in pairwise(buckets.edges)
    ]


class BucketAnswer(serializers.Serializer[Any]):
    """One bucket of time. `events`: event type → count; a type not named counted 0."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    events = serializers.DictField(child=serializers.IntegerField())
    inferred = serializers.IntegerField(help_text="How many were inferred, not reported.")
    partial = serializers.BooleanField(  # type: ignore[assignment]  # shadows nothing used here
        help_text="The bucket is not over yet."
    )


def build_buckets(
    counts: Iterable[Count],
    buckets: Buckets,
    now: datetime,
    *,
    kind_of: Callable[[Count], str] = lambda count: count.event_type,
) -> list[dict[str, Any]]:
    """Return the values of BucketAnswer for every bucket, empty ones too. Pure.

    `kind_of`: the type under which a count is shown.
    """
    answers: list[dict[str, Any]] = [
        each | {"end": end, "events": {}, "inferred": 0}
        for each, end in zip(build_starts(buckets, now), buckets.edges[1:], strict=True)
    ]
    for count in counts:
        bucket, kind = answers[count.bucket], kind_of(count)
        bucket["events"][kind] = bucket["events"].get(kind, 0) + count.events
        bucket["inferred"] += count.inferred
    return answers


class DeliveryTimesAnswer(serializers.Serializer[Any]):
    """Times of deliveries. Percentiles are off by their histogram bin at most, the mean is exact.

    300 000 ms means 300 s or more.
    """

    count = serializers.IntegerField(help_text="Deliveries whose time is known.")
    average = serializers.FloatField(allow_null=True)
    p95 = serializers.FloatField(allow_null=True)
    p99 = serializers.FloatField(allow_null=True)


def build_times(times: DeliveryTimes) -> dict[str, Any]:
    return {
        "count": times.count,
        "average": times.average_ms,
        "p95": times.percentile_ms(0.95),
        "p99": times.percentile_ms(0.99),
    }


class BracketAnswer(serializers.Serializer[Any]):
    """How many fell into [from, to); `to` null: no upper end."""

    count = serializers.IntegerField()
    to = serializers.IntegerField(allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        """Add `from`, which is a keyword of Python."""
        return {"from": serializers.IntegerField(), **super().get_fields()}


def build_brackets(bounds: tuple[int, ...], counts: list[int]) -> list[dict[str, Any]]:
    """Return the values of BracketAnswer for counts between bounds. Pure."""
    return [
        {"from": lower, "to": upper, "count": count}
        for lower, upper, count in zip((0, *bounds), (*bounds, None), counts, strict=True)
    ]
