"""What /completeness is asked and answers."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from rest_framework import serializers

from server.ledger import queries

MAX_HOURS = 24 * 366


class CompletenessQuery(serializers.Serializer[Any]):
    """The query string."""

    hours = serializers.IntegerField(min_value=1, max_value=MAX_HOURS, default=24)
    node = serializers.CharField(max_length=64, required=False, default=None, allow_null=True)


class EpochAnswer(serializers.Serializer[Any]):
    """One life of an agent's spool. Ranges are [first, last], both ends included."""

    node = serializers.CharField()
    epoch = serializers.CharField()
    complete = serializers.BooleanField(help_text="Nothing is missing without explanation.")
    first_seq = serializers.IntegerField()
    last_seq = serializers.IntegerField(allow_null=True)
    missing_count = serializers.IntegerField()
    missing_ranges = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField())
    )
    dropped_count = serializers.IntegerField(help_text="Dropped by the agent, and said so.")
    dropped_ranges = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField())
    )
    repeated_count = serializers.IntegerField(help_text="Numbers that came more than once.")
    refused_count = serializers.IntegerField(help_text="Refused at the door, with a reason.")
    first_received_at = serializers.DateTimeField()
    last_received_at = serializers.DateTimeField()


class CompletenessAnswer(serializers.Serializer[Any]):
    """All epochs heard of in the time asked for."""

    complete = serializers.BooleanField(help_text="Of every epoch below.")
    epochs = EpochAnswer(many=True)


def answer(*, hours: int, node: str | None, now: datetime) -> dict[str, Any]:
    """Return the answer for the last `hours`, of one node or of all."""
    epochs = queries.completeness(now - timedelta(hours=hours), node=node)
    return {
        "complete": all(epoch.complete for epoch in epochs),
        "epochs": [asdict(epoch) | {"complete": epoch.complete} for epoch in epochs],
    }
