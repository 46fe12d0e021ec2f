"""/completeness: numbered events that arrived, are missing, or were dropped."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from server.alerts.backlog import is_behind
from server.api.views import query_view
from server.ledger import queries
from server.observability.backlog import read_backlog

MAX_HOURS = 24 * 366


class CompletenessQuery(serializers.Serializer[Any]):
    """Query of /completeness."""

    hours = serializers.IntegerField(min_value=1, max_value=MAX_HOURS, default=24)
    node = serializers.CharField(max_length=64, required=False, default=None, allow_null=True)


class EpochAnswer(serializers.Serializer[Any]):
    """One life of an agent's spool, as far as it is of this time. Ranges are [first, last], both
    ends included."""

    node = serializers.CharField()
    epoch = serializers.CharField()
    complete = serializers.BooleanField(
        allow_null=True,
        help_text="Nothing is missing, and nothing was refused; null: not known yet.",
    )
    counted_since = serializers.DateTimeField(
        help_text="When the counts begin: up to an hour before the range, or with the epoch."
    )
    first_seq = serializers.IntegerField()
    last_seq = serializers.IntegerField(allow_null=True)
    missing_count = serializers.IntegerField()
    missing_ranges = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField())
    )
    dropped_count = serializers.IntegerField(help_text="Dropped by the agent, which reported it.")
    dropped_ranges = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField())
    )
    repeated_count = serializers.IntegerField(help_text="Numbers that came more than once.")
    refused_count = serializers.IntegerField(
        help_text="Refused by the server, with a reason, and not accepted since."
    )
    refused_ranges = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField())
    )
    first_received_at = serializers.DateTimeField()
    last_received_at = serializers.DateTimeField()


class CompletenessAnswer(serializers.Serializer[Any]):
    """All epochs that sent something in this time."""

    complete = serializers.BooleanField(
        allow_null=True, help_text="Of every epoch below; null: not known yet."
    )
    waiting_batches = serializers.IntegerField(
        required=False, help_text="While they wait to be stored and may have the numbers: of all."
    )
    epochs = EpochAnswer(many=True)


def build_completeness(*, hours: int, node: str | None) -> dict[str, Any]:
    now = timezone.now()
    backlog = read_backlog()
    behind = is_behind(backlog, now)
    epochs = queries.completeness(now - timedelta(hours=hours), node=node)
    waiting = {"waiting_batches": backlog.batches} if behind else {}
    return waiting | {
        "complete": None if behind else all(epoch.complete for epoch in epochs),
        "epochs": [
            asdict(epoch) | {"complete": None if behind else epoch.complete} for epoch in epochs
        ],
    }


CompletenessView = query_view(
    build_completeness,
    CompletenessQuery,
    CompletenessAnswer,
    summary="Completeness",
    description="Answer for every epoch of which something came in the last `hours`, about the"
    " numbers that were new in them.",
)
