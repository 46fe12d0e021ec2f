"""/metrics/{kind} and /nodes/{name}/metrics: readings of nodes and programs over time."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from server.api.answers import build_span
from server.api.endpoints.nodes import find_node
from server.api.permissions import NOT_FOUND, REFUSALS, ReadView
from server.api.query_params import SampleBucketsQuery, parse_query
from server.ingest import openapi
from server.ingest.views import SamplesView
from server.metrics import catalogue
from server.metrics.catalogue import SampleKind
from server.metrics.wire import SAMPLES
from server.nodes.freshness import stale_after_s
from server.rollups.plan import Buckets
from server.rollups.samples import queries as sample_queries
from server.rollups.samples.levels import rate_name
from server.rollups.samples.queries import Bucket, Chosen, Newest

KINDS = {kind.name: kind for kind in catalogue.METRICS}
KIND = OpenApiParameter("kind", str, OpenApiParameter.PATH, enum=list(KINDS))
#: More than these in one answer are a burden, and no chart.
MAX_NUMBERS = 500_000


class MetricsQuery(SampleBucketsQuery):
    """Query for one node."""

    def get_fields(self) -> dict[str, Any]:
        """Add `fields`, which is an attribute of serializers."""
        text = "Names of readings, with commas between them: cpu_percent,load_1m. Default: all."
        chosen = serializers.CharField(max_length=2000, required=False, help_text=text)
        return {**super().get_fields(), "fields": chosen}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        kind: SampleKind = self.context["kind"]
        try:
            chosen = choose_readings(kind, attrs.pop("fields", None))
        except ValueError as error:
            raise serializers.ValidationError({"fields": str(error)}) from error
        return {**attrs, "chosen": chosen, "kind": kind}


class NodeMetricsQuery(MetricsQuery):
    """Query for one node, which may name the kind. The view reads that beforehand."""

    kind = serializers.ChoiceField(choices=list(KINDS), default="system")


class AllMetricsQuery(MetricsQuery):
    """Query for several nodes."""

    node = serializers.CharField(max_length=64, required=False, help_text="Default: every node.")


class ReadingSeriesAnswer(serializers.Serializer[Any]):
    """One node, or one program or port of it: buckets oldest first, those without samples too."""

    node = serializers.CharField()
    part = serializers.CharField(allow_null=True, help_text="The program or port, of kinds by it.")
    last_at = serializers.DateTimeField(
        allow_null=True, help_text="When the newest sample was taken; null: none in 7 days."
    )
    age_s = serializers.FloatField(allow_null=True)
    stale = serializers.BooleanField(
        allow_null=True, help_text="Older than three of its usual intervals."
    )
    last = serializers.DictField(
        allow_null=True, help_text="All of the newest sample, lists as they came."
    )
    buckets = serializers.ListField(
        child=serializers.DictField(),
        help_text=(
            "`start`, `samples`, and each reading, null where not known: a gauge's mean under its"
            " name and its highest under name_max, what a counter grew by in a second, over"
            " restarts of its program, under name_per_s."
        ),
    )


class MetricsAnswer(serializers.Serializer[Any]):
    """The series of the nodes that sent samples of the kind, in this time or lately."""

    kind = serializers.CharField()
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    level = serializers.CharField(help_text="Source: samples, 5m, 1h or daily.")
    width_s = serializers.IntegerField()
    cut = serializers.BooleanField(help_text="The range began before the oldest samples.")
    gauges = serializers.ListField(
        child=serializers.CharField(), help_text="Each in a bucket as its mean, and as name_max."
    )
    rates = serializers.ListField(
        child=serializers.CharField(), help_text="Growth of counters in a second."
    )
    series = ReadingSeriesAnswer(many=True)


def find_kind(name: str) -> SampleKind:
    """Return the kind of that name. Raises Http404."""
    if name not in KINDS:
        raise Http404(f"no kind of samples {name!r}; there are {', '.join(KINDS)}")
    return KINDS[name]


def choose_readings(kind: SampleKind, names: str | None) -> Chosen:
    """Return the readings of these names, of gauges and of rates. Raises ValueError."""
    gauges = {gauge.name: gauge.name for gauge in kind.gauges}
    counters = {rate_name(name): name for name in kind.counters}
    if names is None:
        return Chosen(tuple(gauges), tuple(counters.values()))
    wanted = list(dict.fromkeys(name.strip() for name in names.split(",")))
    unknown = [name for name in wanted if name not in gauges | counters]
    if unknown:
        raise ValueError(f"{unknown[0][:64]!r} is none of {', '.join([*gauges, *counters])}")
    return Chosen(
        tuple(name for name in wanted if name in gauges),
        tuple(counters[name] for name in wanted if name in counters),
    )


def build_metrics(
    *,
    kind: SampleKind,
    buckets: Buckets,
    chosen: Chosen,
    now: datetime,
    node: str | None = None,
) -> dict[str, Any]:
    """Return the readings of one node, or of all."""
    series: dict[tuple[str, str | None], dict[int, Bucket]] = defaultdict(dict)
    for row in sample_queries.series(kind, buckets, chosen, node=node):
        series[row.node, _part(row)][row.bucket] = row
    last = {(each.node, _part(each)): each for each in sample_queries.newest(kind, now, node=node)}
    keys = sorted(series.keys() | last.keys(), key=lambda key: (key[0], key[1] or ""))
    if node is not None and not keys:
        keys = [(node, None)]
    numbers = len(keys) * len(buckets.edges) * (2 * len(chosen.gauges) + len(chosen.counters))
    if numbers > MAX_NUMBERS:
        text = f"{numbers} numbers are too many: name some `fields`, one `node`, or a larger width"
        raise serializers.ValidationError({"fields": text})
    unknown = dict.fromkeys(chosen.names)
    return {
        "kind": kind.name,
        **build_span(buckets),
        "gauges": list(chosen.gauges),
        "rates": [rate_name(name) for name in chosen.counters],
        "series": [
            {
                "node": key[0],
                "part": key[1],
                **_build_last(last.get(key), now),
                "buckets": [
                    {"start": start, "samples": bucket.samples, **bucket.readings}
                    if (bucket := series[key].get(place))
                    else {"start": start, "samples": 0, **unknown}
                    for place, start in enumerate(buckets.edges[:-1])
                ],
            }
            for key in keys
        ],
    }


def _part(row: Bucket | Newest) -> str | None:
    return row.dimensions[0] if row.dimensions else None


def _build_last(newest: Newest | None, now: datetime) -> dict[str, Any]:
    if newest is None:
        return {"last_at": None, "age_s": None, "stale": None, "last": None}
    age_s = max(0.0, (now - newest.time).total_seconds())
    fresh_for_s = stale_after_s(newest.times, at_least_s=settings.NODE_OFFLINE_AFTER_S)
    return {
        "last_at": newest.time,
        "age_s": age_s,
        "stale": age_s > fresh_for_s,
        "last": newest.readings,
    }


class MetricsView(ReadView):
    """The readings of one kind of samples over time, of the nodes."""

    @extend_schema(
        operation_id="v1_metrics_retrieve",
        summary="Metrics",
        parameters=[KIND, AllMetricsQuery],
        responses={200: MetricsAnswer, **REFUSALS, **NOT_FOUND},
    )
    def get(self, request: Request, kind: str) -> Response:
        """Answer."""
        return _answer(request, find_kind(kind))


def _kind_view(kind: str) -> type[SamplesView]:
    """Return the view of a kind that agents send and people read at the same path."""

    @extend_schema(exclude=True)  # described once, at /metrics/{kind}
    def get(self: ReadView, request: Request) -> Response:
        return _answer(request, KINDS[kind])

    members = {"kind": kind, "get": get, "http_method_names": ["get", "head", "post"]}
    return openapi.samples(kind)(type("KindView", (ReadView, SamplesView), members))


KIND_VIEWS = {kind: _kind_view(kind) for kind in SAMPLES}


def _answer(request: Request, kind: SampleKind) -> Response:
    return Response(build_metrics(**parse_query(AllMetricsQuery, request, kind=kind)))


class NodeMetricsView(ReadView):
    """The readings of one node over time."""

    @extend_schema(
        summary="Metrics of one node",
        parameters=[NodeMetricsQuery],
        responses={200: MetricsAnswer, **REFUSALS, **NOT_FOUND},
    )
    def get(self, request: Request, name: str) -> Response:
        """Answer for one kind of samples."""
        node = find_node(name)
        kind = find_kind(request.query_params.get("kind", "system"))
        query = parse_query(NodeMetricsQuery, request, kind=kind)
        return Response(build_metrics(**query, node=node.name))
