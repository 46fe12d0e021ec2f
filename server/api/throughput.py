"""What /email/throughput is asked and answers."""

from datetime import datetime, timedelta
from typing import Any

from rest_framework import serializers

from server.rollups import queries

#: range → its length, and the width of a bucket that gives a page about a hundred of them.
RANGES = {
    "1h": (timedelta(hours=1), timedelta(minutes=1)),
    "6h": (timedelta(hours=6), timedelta(minutes=5)),
    "24h": (timedelta(hours=24), timedelta(minutes=15)),
    "7d": (timedelta(days=7), timedelta(hours=2)),
}


class ThroughputQuery(serializers.Serializer[Any]):
    """The query string."""

    range = serializers.ChoiceField(choices=list(RANGES), default="24h")
    direction = serializers.ChoiceField(choices=list(queries.SHOWN), default="outbound")


class BucketAnswer(serializers.Serializer[Any]):
    """One stretch of time. `events`: event type → count; a type not named counted 0."""

    start = serializers.DateTimeField()
    events = serializers.DictField(child=serializers.IntegerField())
    inferred = serializers.IntegerField(help_text="How many were inferred, not reported.")
    partial = serializers.BooleanField(  # type: ignore[assignment]  # shadows nothing used here
        help_text="The stretch is not over yet."
    )


class ThroughputAnswer(serializers.Serializer[Any]):
    """All buckets of the range, oldest first."""

    direction = serializers.CharField()
    width_s = serializers.IntegerField()
    buckets = BucketAnswer(many=True)


def answer(range_name: str, direction: str, *, now: datetime) -> dict[str, Any]:
    """Return the answer for a range that ends at `now`."""
    length, width = RANGES[range_name]
    buckets = queries.throughput(now - length, now, direction=direction, width=width)
    return {
        "direction": direction,
        "width_s": int(width.total_seconds()),
        "buckets": [
            {"start": b.start, "events": b.events, "inferred": b.inferred, "partial": b.partial}
            for b in buckets
        ],
    }
