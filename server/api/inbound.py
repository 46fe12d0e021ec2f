"""What /email/inbound is asked and answers: what became of mail coming in, and who refused it."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from server.api.permissions import REFUSALS, ReadView
from server.api.query import BucketsQuery, SpanAnswer, span_answer
from server.api.throughput import BucketAnswer
from server.events import refusals
from server.events.refusals import Symbol, Symbols
from server.rollups.mail import queries
from server.rollups.mail.level_query import LevelQuery
from server.rollups.mail.queries import Count
from server.rollups.plan import Buckets

INBOUND = "inbound"
#: The dimension of the levels that says why: who refused, or what Rspamd wanted of what was let in.
WHY = "bounce"
REFUSED = ("rejected", "greylisted", "deferred")
#: What Rspamd says of mail it takes for spam. Delivered with one of these, it was let in marked.
SPAM_ACTIONS = frozenset({"add header", "rewrite subject", "reject", "quarantine", "discard"})
SYMBOLS_SHOWN = 15
#: A symbol tells something from this on, as a share of refused mail beyond that of mail let in.
TELLING_MIN = 0.05


class InboundQuery(BucketsQuery):
    """The query string."""

    limit = serializers.IntegerField(
        min_value=1, max_value=100, default=15, help_text="Most plugins, those that refuse most."
    )


class PluginAnswer(serializers.Serializer[Any]):
    """One plugin of Haraka; empty: Haraka itself, or the plugin did not say."""

    value = serializers.CharField(allow_blank=True)
    count = serializers.IntegerField()
    events = serializers.DictField(child=serializers.IntegerField())


class SymbolAnswer(serializers.Serializer[Any]):
    """One symbol of Rspamd. Ratios: of messages with symbols; null where there is none."""

    value = serializers.CharField()
    count = serializers.IntegerField(help_text="Refused messages that have it.")
    refused_ratio = serializers.FloatField()
    let_in_ratio = serializers.FloatField(allow_null=True)


class InboundAnswer(SpanAnswer):
    """`spam` is mail that was let in though Rspamd took it for spam; `delivered` is without it."""

    direction = serializers.CharField()
    buckets = BucketAnswer(many=True)
    totals = serializers.DictField(child=serializers.IntegerField())
    plugins = PluginAnswer(many=True, help_text="Who refused: rejected, greylisted or deferred.")
    symbols = SymbolAnswer(
        many=True, help_text="Those that tell refused mail most from mail that was let in."
    )
    symbols_of = serializers.IntegerField(help_text="Refused messages with symbols looked at.")


class InboundView(ReadView):
    """Mail coming in: what became of it, and by whom and by what marks it was refused."""

    @extend_schema(
        summary="Inbound mail",
        parameters=[InboundQuery],
        responses={200: InboundAnswer, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """Answer."""
        asked = InboundQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        return Response(answer(**asked.validated_data))


def answer(*, buckets: Buckets, limit: int, now: Any) -> dict[str, Any]:
    """Return the answer."""
    why = queries.counts(LevelQuery.of(buckets, INBOUND, WHY))
    edges = pairwise(buckets.edges)
    found: list[dict[str, Any]] = [
        {"start": start, "end": end, "events": {}, "inferred": 0, "partial": start <= now < end}
        for start, end in edges
    ]
    for count in why:
        bucket = found[count.bucket]
        kind = shown_as(count)
        bucket["events"][kind] = bucket["events"].get(kind, 0) + count.events
        bucket["inferred"] += count.inferred
    totals: Counter[str] = Counter()
    for bucket in found:
        totals.update(bucket["events"])
    seen = refusals.symbols(buckets.start, buckets.end)
    return {
        **span_answer(buckets),
        "direction": INBOUND,
        "buckets": found,
        "totals": dict(totals),
        "plugins": plugins(why)[:limit],
        "symbols": telling(seen)[:SYMBOLS_SHOWN],
        "symbols_of": seen.refused_count,
    }


def shown_as(count: Count) -> str:
    """Return the type of an event, `spam` for what was delivered marked. Pure."""
    marked = count.event_type == "delivered" and count.value in SPAM_ACTIONS
    return "spam" if marked else count.event_type


def plugins(counts: Iterable[Count]) -> list[dict[str, Any]]:
    """Return the values of PluginAnswer, those that refuse most first. Pure."""
    by_plugin: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for count in counts:
        if count.event_type in REFUSED:
            by_plugin[count.value][count.event_type] += count.events
    answers = [
        {"value": plugin, "count": events.total(), "events": dict(events)}
        for plugin, events in by_plugin.items()
    ]
    return sorted(answers, key=lambda each: (-each["count"], each["value"]))


def telling(seen: Symbols) -> list[dict[str, Any]]:
    """Return the values of SymbolAnswer, the most telling first. Pure.

    Most symbols stand on every message. One tells the more, the larger its share is of refused mail
    beyond its share of mail that was let in.
    """

    def let_in(symbol: Symbol) -> float | None:
        return symbol.let_in_count / seen.let_in_count if seen.let_in_count else None

    def beyond(symbol: Symbol) -> float:
        return symbol.refused_count / seen.refused_count - (let_in(symbol) or 0)

    return [
        {
            "value": symbol.name,
            "count": symbol.refused_count,
            "refused_ratio": symbol.refused_count / seen.refused_count,
            "let_in_ratio": let_in(symbol),
        }
        for symbol in sorted(seen.symbols, key=lambda symbol: (-beyond(symbol), symbol.name))
        if beyond(symbol) >= TELLING_MIN
    ]
