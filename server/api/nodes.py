"""What /nodes and /metrics/system are asked and answer."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.http import Http404
from rest_framework import serializers

from server.api import ranges
from server.api.query import SpanQuery
from server.api.ranges import BadRange, Span
from server.metrics import queries as metrics
from server.nodes.models import Node

#: range up to → width of a bucket that gives a chart about a hundred of them.
WIDTHS = (
    (timedelta(hours=2), timedelta(minutes=1)),
    (timedelta(hours=12), timedelta(minutes=5)),
    (timedelta(days=2), timedelta(minutes=15)),
)


class MetricsQuery(SpanQuery):
    """The query string."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Make the `edges` of the span."""
        attrs = super().validate(attrs)
        span: Span = attrs.pop("span")
        kept = timedelta(days=settings.METRICS_RETENTION_DAYS)
        start = max(span.start, span.now - kept)
        if start >= span.end:
            text = f"samples are kept for {kept.days} days only"
            raise serializers.ValidationError({"range": text})
        length = span.end - start
        width = next((w for most, w in WIDTHS if length <= most), timedelta(hours=1))
        try:
            attrs["edges"] = ranges.edges(start, span.end, width, ranges.UTC_ZONE)
        except BadRange as error:
            raise serializers.ValidationError({"range": str(error)}) from error
        attrs["cut"] = start > span.start
        return attrs


class AllMetricsQuery(MetricsQuery):
    """The query string for several nodes."""

    node = serializers.CharField(max_length=64, required=False, help_text="Default: every node.")


class NodeAnswer(serializers.ModelSerializer[Node]):
    """One node, by its own words. `online`: heard from within the last seconds (a setting)."""

    online = serializers.SerializerMethodField()
    silent_s = serializers.SerializerMethodField(
        help_text="Since its last sample; null: none ever came."
    )

    class Meta:
        model = Node
        fields = [
            "name", "hostname", "role", "addresses", "agent_version", "versions", "created_at",
            "registered_at", "last_seen_at", "online", "silent_s",
        ]  # fmt: skip

    def get_online(self, node: Node) -> bool:
        """Compare with the setting."""
        silent = self.get_silent_s(node)
        return silent is not None and silent <= settings.NODE_OFFLINE_AFTER_S

    def get_silent_s(self, node: Node) -> float | None:
        """Return seconds, never negative."""
        if node.last_seen_at is None:
            return None
        now: datetime = self.context["now"]
        return max(0.0, (now - node.last_seen_at).total_seconds())


class NodesAnswer(serializers.Serializer[Any]):
    """Every node, by name."""

    nodes = NodeAnswer(many=True)


class ReadingsAnswer(serializers.Serializer[Any]):
    """One stretch of time: means of the samples in it; null where none said so."""

    start = serializers.DateTimeField()
    samples = serializers.IntegerField()
    cpu_percent_max = serializers.FloatField(allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        """Add the readings."""
        readings = {name: serializers.FloatField(allow_null=True) for name in metrics.AVERAGED}
        return {**super().get_fields(), **readings}


class NodeMetricsAnswer(serializers.Serializer[Any]):
    """One node's buckets, oldest first, those without samples too."""

    node = serializers.CharField()
    buckets = ReadingsAnswer(many=True)


class MetricsAnswer(serializers.Serializer[Any]):
    """The nodes that sent samples in this time."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    width_s = serializers.IntegerField()
    cut = serializers.BooleanField(help_text="What was asked began before the oldest samples.")
    series = NodeMetricsAnswer(many=True)


def known() -> dict[str, Any]:
    """Return the values of NodesAnswer."""
    return {"nodes": Node.objects.order_by("name")}


def find(name: str) -> Node:
    """Return the node. Raises Http404."""
    node = Node.objects.filter(name=name).first() if "\0" not in name else None
    if node is None:
        raise Http404(f"no node {name!r}")
    return node


def answer(*, edges: tuple[datetime, ...], cut: bool, node: str | None = None) -> dict[str, Any]:
    """Return the readings of one node, or of all."""
    found = {(b.node, b.bucket): b for b in metrics.system_series(edges, node=node)}
    names = sorted({name for name, _ in found} | ({node} if node else set()))
    return {
        "start": edges[0],
        "end": edges[-1],
        "width_s": int((edges[1] - edges[0]).total_seconds()),
        "cut": cut,
        "series": [
            {
                "node": name,
                "buckets": [
                    _readings(start, found.get((name, i)))
                    for i, (start, _) in enumerate(pairwise(edges))
                ],
            }
            for name in names
        ],
    }


def _readings(start: datetime, bucket: metrics.SystemBucket | None) -> dict[str, Any]:
    if bucket is None:
        empty = dict.fromkeys(metrics.AVERAGED)
        return {"start": start, "samples": 0, "cpu_percent_max": None, **empty}
    return {
        "start": start,
        "samples": bucket.samples,
        "cpu_percent_max": bucket.cpu_percent_max,
        **bucket.means,
    }
