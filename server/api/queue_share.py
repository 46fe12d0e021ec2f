"""What /email/queue/share is asked and answers."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from rest_framework import serializers

from server.api.metrics import EdgesQuery
from server.mailqueues.queries import newest_readings, shares_of_node
from server.metrics.catalogue import MAIL_QUEUE
from server.nodes.models import Node
from server.rollups.retention import oldest_whole_day
from server.rollups.samples.queries import Source


class ShareQuery(EdgesQuery):
    """The query string."""

    kind = MAIL_QUEUE

    node = serializers.CharField(max_length=64)


class ShareBucketAnswer(serializers.Serializer[Any]):
    """One bucket, by its last reading. Null: nothing was read, or it is not known."""

    start = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)
    own_count = serializers.IntegerField(
        allow_null=True, help_text="Recipients assigned to this node's instance of ZoneMTA."
    )
    unassigned_count = serializers.IntegerField(
        allow_null=True, help_text="Recipients no instance has taken yet."
    )
    waiting_count = serializers.IntegerField(
        allow_null=True, help_text="The whole queue this node's agent reads."
    )


class NodeShareAnswer(serializers.Serializer[Any]):
    """One node's share of its mail queue, oldest bucket first, those without a reading too."""

    node = serializers.CharField()
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    width_s = serializers.IntegerField()
    cut = serializers.BooleanField(help_text="What was asked began before the oldest readings.")
    buckets = ShareBucketAnswer(many=True)


def answer(
    *, node: Node, edges: Sequence[datetime], source: Source, cut: bool, now: datetime
) -> dict[str, Any]:
    """Return the answer. Shares are told by whole readings alone, not by their levels."""
    database = {reading.node: reading.database for reading in newest_readings(now)}
    own = database.get(node.name)
    alone = own is None or list(database.values()).count(own) == 1
    found = {share.place: share for share in shares_of_node(node.pk, edges, alone=alone)}
    return {
        "node": node.name,
        "start": edges[0],
        "end": edges[-1],
        "width_s": int((edges[1] - edges[0]).total_seconds()),
        "cut": cut or edges[0] < oldest_whole_day(source.kind.table, now),
        "buckets": [
            {
                "start": start,
                "read_at": share.at if (share := found.get(place)) else None,
                "own_count": share and share.own,
                "unassigned_count": share and share.unassigned,
                "waiting_count": share and share.waiting,
            }
            for place, (start, _) in enumerate(pairwise(edges))
        ],
    }
