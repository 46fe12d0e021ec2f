"""/email/inbound: outcomes of mail coming in, and who refused it by which symbols."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rest_framework import serializers

from server.api.answers import BucketAnswer, SpanAnswer, build_buckets, build_span
from server.api.query_params import BucketsQuery
from server.api.views import query_view
from server.events import refusals
from server.events.refusals import Symbols
from server.events.vocabulary import OUTCOMES
from server.rollups.mail import queries
from server.rollups.mail.level_query import LevelQuery
from server.rollups.mail.queries import Count
from server.rollups.plan import Buckets

INBOUND = "inbound"
#: The dimension of the levels with the reason: who refused, or Rspamd's action for what was let in.
REASON = "bounce"
REFUSED = set(OUTCOMES[INBOUND]) - {"delivered"}
#: Rspamd's actions for mail it takes for spam. Delivered with one of these, it was let in marked.
SPAM_ACTIONS = frozenset({"add header", "rewrite subject", "reject", "quarantine", "discard"})
MAX_SYMBOLS = 15
#: A symbol is telling from this on, as a share of refused mail beyond that of mail let in.
MIN_TELLING = 0.05


class InboundQuery(BucketsQuery):
    """Query of /email/inbound."""

    limit = serializers.IntegerField(
        min_value=1, max_value=100, default=15, help_text="Most plugins, those that refuse most."
    )


class PluginAnswer(serializers.Serializer[Any]):
    """One plugin of Haraka; empty: Haraka itself, or the plugin is not known."""

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
        many=True, help_text="Those that distinguish refused mail most from mail that was let in."
    )
    symbols_of = serializers.IntegerField(
        help_text="Refused messages with symbols that were examined."
    )


def build_inbound(*, buckets: Buckets, limit: int, now: datetime) -> dict[str, Any]:
    counts = queries.counts(LevelQuery.of(buckets, INBOUND, REASON))
    answers = build_buckets(counts, buckets, now, kind_of=_kind_of)
    totals: Counter[str] = Counter()
    for bucket in answers:
        totals.update(bucket["events"])
    symbols = refusals.symbols(buckets.start, buckets.end)
    return {
        **build_span(buckets),
        "direction": INBOUND,
        "buckets": answers,
        "totals": dict(totals),
        "plugins": _build_plugins(counts)[:limit],
        "symbols": _build_symbols(symbols)[:MAX_SYMBOLS],
        "symbols_of": symbols.refused_count,
    }


def _kind_of(count: Count) -> str:
    """Return the type of an event, `spam` for what was delivered marked. Pure."""
    marked = count.event_type == "delivered" and count.value in SPAM_ACTIONS
    return "spam" if marked else count.event_type


def _build_plugins(counts: Iterable[Count]) -> list[dict[str, Any]]:
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


def _build_symbols(symbols: Symbols) -> list[dict[str, Any]]:
    """Return the values of SymbolAnswer, the most telling first. Pure.

    Most symbols are on every message. One is the more telling, the larger its share of refused mail
    is beyond its share of mail that was let in.
    """

    refused, let_in = symbols.refused_count, symbols.let_in_count
    answers = [
        {
            "value": symbol.name,
            "count": symbol.refused_count,
            "refused_ratio": symbol.refused_count / refused,
            "let_in_ratio": symbol.let_in_count / let_in if let_in else None,
        }
        for symbol in symbols.symbols
    ]

    def beyond(answer: dict[str, Any]) -> float:
        return float(answer["refused_ratio"] - (answer["let_in_ratio"] or 0))

    telling = [answer for answer in answers if beyond(answer) >= MIN_TELLING]
    return sorted(telling, key=lambda answer: (-beyond(answer), answer["value"]))


InboundView = query_view(build_inbound, InboundQuery, InboundAnswer, summary="Inbound mail")
