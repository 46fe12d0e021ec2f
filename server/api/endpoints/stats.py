"""/email/stats: statistics of each domain, destination, node, address or zone."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from rest_framework import serializers

from server.api.answers import DeliveryTimesAnswer, SpanAnswer, build_span, build_times
from server.api.query_params import GROUPINGS, DirectionQuery, TextFilter
from server.api.views import query_view
from server.events.vocabulary import OUTCOMES
from server.rollups.mail import statistics
from server.rollups.mail.level_query import LevelQuery
from server.rollups.mail.statistics import SORTS, Stats
from server.rollups.plan import Buckets

#: Groupings of one provider's mail → the pair that has them.
PAIRS = {"ip": "provider_ip", "provider_reply": "provider_reply"}


class StatsQuery(DirectionQuery):
    """Query of /email/stats."""

    by = serializers.ChoiceField(choices=list(GROUPINGS), default="destination")
    sort = serializers.ChoiceField(
        choices=list(SORTS),
        default="events",
        help_text="`value`, all `events` or those of a type, an outcome's share, bytes, or the"
        " times of deliveries. Values without it come last, equal ones in the order of `value`.",
    )
    order = serializers.ChoiceField(choices=["asc", "desc"], default="desc")
    limit = serializers.IntegerField(min_value=1, max_value=500, default=50)
    offset = serializers.IntegerField(min_value=0, max_value=1_000_000, default=0)
    provider = TextFilter(
        help_text="With `by=ip` or `by=provider_reply`: of this operator's mail alone."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if "provider" in attrs and attrs["by"] not in PAIRS:
            text = f"Counts of one provider are kept by {' and '.join(PAIRS)} only."
            raise serializers.ValidationError({"provider": text})
        return attrs


class OneStatsAnswer(serializers.Serializer[Any]):
    """One value. `ratios`: outcome → its share of all outcomes; empty without any."""

    value = serializers.CharField(allow_blank=True)
    events = serializers.DictField(child=serializers.IntegerField())
    inferred = serializers.IntegerField()
    ratios = serializers.DictField(child=serializers.FloatField())
    size_bytes = serializers.IntegerField()
    delivery_ms = DeliveryTimesAnswer()


class StatsAnswer(SpanAnswer):
    """A page of values, and the totals of all."""

    direction = serializers.CharField()
    by = serializers.CharField()
    values_count = serializers.IntegerField(help_text="Of all pages.")
    values = OneStatsAnswer(many=True)
    totals = OneStatsAnswer(allow_null=True)


def build_stats(
    *,
    buckets: Buckets,
    direction: str,
    by: str,
    order: str,
    now: datetime,
    provider: str | None = None,
    **page_of: Any,
) -> dict[str, Any]:
    """Return the values of StatsAnswer. `page_of`: `sort`, `limit` and `offset`."""
    query = LevelQuery.of(buckets.merged, direction, GROUPINGS[by])
    every = LevelQuery.of(buckets.merged, direction)
    prefix = ""
    if provider is not None:
        prefix = f"{provider} "
        query = replace(query, dimension=PAIRS[by], prefix=prefix)
        every = replace(every, dimension="provider")
    page = statistics.stats(query, descending=order == "desc", **page_of)
    totals = statistics.stats(every, value=provider)
    return {
        **build_span(buckets),
        "direction": direction,
        "by": by,
        "values_count": page.values_count,
        "values": [
            _build_one(stats._replace(value=stats.value.removeprefix(prefix)), direction)
            for stats in page.values
        ],
        "totals": _build_one(totals.values[0], direction) if totals.values else None,
    }


def _build_one(stats: Stats, direction: str) -> dict[str, Any]:
    decided = sum(stats.events.get(kind, 0) for kind in OUTCOMES[direction])
    return {
        "value": stats.value,
        "events": stats.events,
        "inferred": stats.inferred,
        "ratios": {kind: stats.events.get(kind, 0) / decided for kind in OUTCOMES[direction]}
        if decided
        else {},
        "size_bytes": stats.size_bytes,
        "delivery_ms": build_times(stats.times),
    }


StatsView = query_view(
    build_stats,
    StatsQuery,
    StatsAnswer,
    summary="Statistics",
    description="Answer one page.",
    is_cached=True,
)
