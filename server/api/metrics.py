"""What /metrics/{kind} and /nodes/{name}/metrics are asked and answer."""

from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar

from django.conf import settings
from django.http import Http404
from rest_framework import serializers

from server.api import ranges
from server.api.query import SpanQuery
from server.api.ranges import BadRange, Span
from server.metrics import catalogue
from server.metrics.catalogue import SampleKind
from server.nodes.freshness import stale_after_s
from server.rollups.retention import oldest_whole_day
from server.rollups.samples import queries as sample_queries
from server.rollups.samples.levels import levels_of, rate_name
from server.rollups.samples.queries import Bucket, Chosen, Newest, Source

KINDS = {kind.name: kind for kind in catalogue.METRICS}
#: Longest range → width of a bucket that gives a chart about a hundred of them; a day above.
USUAL_WIDTHS = (
    (timedelta(hours=2), "1m"),
    (timedelta(hours=12), "5m"),
    (timedelta(days=2), "15m"),
    (timedelta(days=31), "1h"),
)
#: Width of a bucket → the level whose rows fall into it whole; None: the samples themselves.
LEVELS = {"1m": None, "5m": "5m", "15m": "5m", "1h": "1h", "1d": "daily"}
#: More than these in one answer are a burden, and no chart.
MAX_NUMBERS = 500_000


class EdgesQuery(SpanQuery):
    """A stretch of time in buckets, of one `kind` of samples."""

    kind: ClassVar[SampleKind] = catalogue.SYSTEM

    width = serializers.ChoiceField(
        choices=list(LEVELS),
        required=False,
        help_text="Of a bucket. Default: 1m up to 2 h, 5m to 12 h, 15m to 2 d, 1h to 31 d, 1d.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Make `edges`, the `source` to read, and whether that `cut` the range."""
        attrs = super().validate(attrs)
        span: Span = attrs.pop("span")
        kind: SampleKind = self.context.get("kind", self.kind)
        try:
            attrs |= edges_and_source(kind, span, width=attrs.pop("width", None))
        except BadRange as error:
            raise serializers.ValidationError({"range": str(error)}) from error
        attrs["now"] = span.now
        return attrs


class MetricsQuery(EdgesQuery):
    """The query string for one node."""

    def get_fields(self) -> dict[str, Any]:
        """Add `fields`, which a class of fields cannot call so itself."""
        text = "Names of readings, with commas between them: cpu_percent,load_1m. Default: all."
        chosen = serializers.CharField(max_length=2000, required=False, help_text=text)
        return {**super().get_fields(), "fields": chosen}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Make what is `chosen` of the readings."""
        attrs = super().validate(attrs)
        kind: SampleKind = self.context.get("kind", self.kind)
        try:
            attrs["chosen"] = chosen_of(kind, attrs.pop("fields", None))
        except ValueError as error:
            raise serializers.ValidationError({"fields": str(error)}) from error
        attrs["kind"] = kind
        return attrs


class NodeMetricsQuery(MetricsQuery):
    """The query string for one node, which may name the kind."""

    def get_fields(self) -> dict[str, Any]:
        """Add `kind`, which a view reads beforehand."""
        kinds = serializers.ChoiceField(choices=list(KINDS), default="system")
        return {**super().get_fields(), "kind": kinds}


class AllMetricsQuery(MetricsQuery):
    """The query string for several nodes."""

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
    level = serializers.CharField(help_text="What was read: samples, 5m, 1h or daily.")
    width_s = serializers.IntegerField()
    cut = serializers.BooleanField(help_text="What was asked began before the oldest samples.")
    gauges = serializers.ListField(
        child=serializers.CharField(), help_text="Each in a bucket as its mean, and as name_max."
    )
    rates = serializers.ListField(
        child=serializers.CharField(), help_text="Growth of counters in a second."
    )
    series = ReadingSeriesAnswer(many=True)


def kind_of(name: str) -> SampleKind:
    """Return the kind of that name. Raises Http404."""
    if name not in KINDS:
        raise Http404(f"no kind of samples {name!r}; there are {', '.join(KINDS)}")
    return KINDS[name]


def edges_and_source(kind: SampleKind, span: Span, *, width: str | None) -> dict[str, Any]:
    """Return the `edges` of buckets, the `source` to read and whether the range was `cut`.

    Of the widths from the usual one on, the first is taken whose source still holds the start; the
    range is cut where none does. Raises BadRange.
    """
    usual = width or next((w for most, w in USUAL_WIDTHS if span.end - span.start <= most), "1d")
    names = list(LEVELS)
    candidates = [width] if width else names[names.index(usual) :]
    by_name = {level.of.name: level for level in levels_of(kind)}
    sources = [(each, Source(kind, by_name.get(LEVELS[each] or ""))) for each in candidates]
    oldest = {
        each: oldest_whole_day(source.level.table if source.level else kind.table, span.now)
        for each, source in sources
    }
    earliest = min(oldest.values())
    start = max(span.start, earliest)
    if start >= span.end:
        raise BadRange(f"nothing is kept from before {earliest.isoformat()}")
    for each, source in sources:
        if oldest[each] <= start:
            found = ranges.edges(start, span.end, ranges.WIDTHS[each], ranges.UTC_ZONE)
            return {"edges": found, "source": source, "cut": start > span.start}
    raise BadRange(f"buckets this narrow are kept from {earliest.isoformat()} on only")


def chosen_of(kind: SampleKind, names: str | None) -> Chosen:
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


def answer(
    *,
    kind: SampleKind,
    edges: tuple[datetime, ...],
    source: Source,
    cut: bool,
    chosen: Chosen,
    now: datetime,
    node: str | None = None,
) -> dict[str, Any]:
    """Return the readings of one node, or of all."""
    buckets: dict[tuple[str, str | None], dict[int, Bucket]] = defaultdict(dict)
    for bucket in sample_queries.series(source, edges, chosen, node=node):
        buckets[bucket.node, _part(bucket)][bucket.bucket] = bucket
    last = {(one.node, _part(one)): one for one in sample_queries.newest(kind, now, node=node)}
    keys = sorted(buckets.keys() | last.keys(), key=lambda key: (key[0], key[1] or ""))
    if node is not None and not keys:
        keys = [(node, None)]
    numbers = len(keys) * len(edges) * (2 * len(chosen.gauges) + len(chosen.counters))
    if numbers > MAX_NUMBERS:
        text = f"{numbers} numbers are too many: name some `fields`, one `node`, or a larger width"
        raise serializers.ValidationError({"fields": text})
    unknown = dict.fromkeys(chosen.names)
    return {
        "kind": kind.name,
        "start": edges[0],
        "end": edges[-1],
        "level": source.level.of.name if source.level else "samples",
        "width_s": int((edges[1] - edges[0]).total_seconds()),
        "cut": cut,
        "gauges": list(chosen.gauges),
        "rates": [rate_name(name) for name in chosen.counters],
        "series": [
            {
                "node": key[0],
                "part": key[1],
                **_last(last.get(key), now),
                "buckets": [
                    {"start": start, "samples": found.samples, **found.readings}
                    if (found := buckets[key].get(place))
                    else {"start": start, "samples": 0, **unknown}
                    for place, (start, _) in enumerate(pairwise(edges))
                ],
            }
            for key in keys
        ],
    }


def _part(one: Bucket | Newest) -> str | None:
    return one.dimensions[0] if one.dimensions else None


def _last(newest: Newest | None, now: datetime) -> dict[str, Any]:
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
