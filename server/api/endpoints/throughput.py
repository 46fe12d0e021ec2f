"""/email/throughput: events by type over time."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from rest_framework import serializers

from server.api.answers import BucketAnswer, SpanAnswer, build_buckets, build_span
from server.api.query_params import GROUPINGS, DirectionQuery, TextFilter
from server.api.views import query_view
from server.events.domains import to_ascii
from server.rollups.levels import DIMENSIONS
from server.rollups.mail import queries
from server.rollups.mail.level_query import LevelQuery
from server.rollups.plan import Buckets

#: The levels' own names are accepted as well.
ALL_GROUPINGS = GROUPINGS | {name: name for name in DIMENSIONS}
#: Parameter that leaves one value → its dimension.
FILTERS = {
    "provider": "provider",
    "bounce_class": "bounce_class",
    "account": "account",
    "destination": "to_domain",
}
#: Buckets times series of one answer.
MAX_CELLS = 20_000


class ThroughputQuery(DirectionQuery):
    """Query of /email/throughput."""

    by = serializers.ChoiceField(
        choices=list(ALL_GROUPINGS),
        required=False,
        help_text="`bounce`: type and category of bounces.",
    )
    limit = serializers.IntegerField(
        min_value=1, max_value=100, default=10, help_text="Most series with `by`, largest first."
    )
    provider = TextFilter(help_text="Of this operator's mail alone.")
    bounce_class = TextFilter(help_text="Of refusals of this class alone.")
    account = TextFilter(help_text="Of mail that this user submitted alone.")
    destination = TextFilter(help_text="Of mail to this domain alone.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        named = [name for name in ("by", *FILTERS) if name in attrs]
        if len(named) > 1:
            text = f"{' and '.join(named)} exclude each other: such counts are not kept."
            raise serializers.ValidationError({named[-1]: text})
        attrs["of"] = {FILTERS[name]: attrs.pop(name) for name in FILTERS if name in attrs}
        if "by" in attrs and attrs["limit"] * len(attrs["buckets"].edges) > MAX_CELLS:
            text = f"more than {MAX_CELLS} numbers: choose a larger `width` or a smaller `limit`"
            raise serializers.ValidationError({"limit": text})
        return attrs


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


def build_throughput(
    *,
    buckets: Buckets,
    direction: str,
    limit: int,
    now: datetime,
    of: dict[str, str],
    by: str | None = None,
) -> dict[str, Any]:
    """Return the values of ThroughputAnswer. `of`: dimension → its one value that is counted."""
    series = []
    ((dimension, value),) = of.items() or [("all", None)]
    if dimension == "to_domain":
        value = to_ascii(value or "")
    of_all = queries.counts(
        LevelQuery.of(buckets, direction, dimension), values=None if value is None else [value]
    )
    if by:
        query = LevelQuery.of(buckets, direction, ALL_GROUPINGS[by])
        total = LevelQuery.of(buckets.merged, direction, query.dimension)
        values = queries.largest_values(total, limit=limit)
        by_value = defaultdict(list)
        for count in queries.counts(query, values=values):
            by_value[count.value].append(count)
        series = [{"value": v, "buckets": build_buckets(by_value[v], buckets, now)} for v in values]
    return {
        **build_span(buckets),
        "direction": direction,
        "by": by,
        "buckets": build_buckets(of_all, buckets, now),
        "series": series,
    }


ThroughputView = query_view(
    build_throughput,
    ThroughputQuery,
    ThroughputAnswer,
    summary="Throughput",
    description="Answer bucket by bucket, with `by` for each value as well.",
    is_cached=True,
)
