"""/email/queue/share: one node's share of the mail queue over time."""

from datetime import datetime
from typing import Any

from rest_framework import serializers

from server.api.endpoints.nodes import find_node
from server.api.permissions import NOT_FOUND, REFUSALS
from server.api.query_params import SampleBucketsQuery
from server.api.views import query_view
from server.mailqueues.queries import OwnShare, newest_readings, shares_of_node
from server.metrics.catalogue import MAIL_QUEUE
from server.rollups.plan import Buckets
from server.rollups.retention import oldest_whole_day


class ShareQuery(SampleBucketsQuery):
    """Query of /email/queue/share."""

    sample_kind = MAIL_QUEUE

    node = serializers.CharField(max_length=64)


class ShareBucketAnswer(serializers.Serializer[Any]):
    """One bucket, by its last reading. Null: nothing was read, or it is not known."""

    start = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)
    own_count = serializers.IntegerField(
        allow_null=True, help_text="Recipients assigned to this node's instance of ZoneMTA."
    )
    unassigned_count = serializers.IntegerField(
        allow_null=True, help_text="Recipients assigned to no instance yet."
    )
    waiting_count = serializers.IntegerField(
        allow_null=True, help_text="The queue that this node's agent reads."
    )


class NodeShareAnswer(serializers.Serializer[Any]):
    """One node's share of its mail queue, oldest bucket first, those without a reading too."""

    node = serializers.CharField()
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    width_s = serializers.IntegerField()
    cut = serializers.BooleanField(help_text="The range began before the oldest readings.")
    buckets = ShareBucketAnswer(many=True)


def build_share(*, node: str, buckets: Buckets, now: datetime) -> dict[str, Any]:
    """Return the values of NodeShareAnswer. Levels do not hold shares, so readings are read."""
    of = find_node(node)
    database = {reading.node: reading.database for reading in newest_readings(now)}
    own = database.get(of.name)
    alone = own is None or list(database.values()).count(own) == 1
    shares = shares_of_node(of.pk, buckets.edges, alone=alone)
    return {
        "node": of.name,
        "start": buckets.start,
        "end": buckets.end,
        "width_s": int(buckets.width.total_seconds()),
        "cut": buckets.cut or buckets.start < oldest_whole_day(MAIL_QUEUE.table, now),
        "buckets": [
            {"start": start, **shares.get(place, OwnShare())._asdict()}
            for place, start in enumerate(buckets.edges[:-1])
        ],
    }


ShareView = query_view(
    build_share,
    ShareQuery,
    NodeShareAnswer,
    refusals=REFUSALS | NOT_FOUND,
    summary="Share of the mail queue",
    description="Answer bucket by bucket.",
)
