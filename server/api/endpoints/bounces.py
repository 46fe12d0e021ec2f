"""/email/bounce-analysis and /email/replies: bounces, and the replies of remote servers."""

from collections import Counter, defaultdict
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from rest_framework import serializers

from server.api.answers import SpanAnswer, build_span
from server.api.query_params import BucketsQuery, DestinationsQuery, TextFilter
from server.api.views import query_view
from server.events import queries as events
from server.events import reply_classes
from server.events.bounce_classes.classify import find_meaning
from server.events.replies import fingerprint, normalize
from server.events.vocabulary import OUTCOMES
from server.rollups.mail import queries
from server.rollups.mail.level_query import LevelQuery
from server.rollups.mail.replies import read_replies
from server.rollups.plan import Buckets

MAX_SAMPLES_OF_A_CATEGORY = 3


class CountAnswer(serializers.Serializer[Any]):
    """How many bounces."""

    value = serializers.CharField(allow_blank=True)
    count = serializers.IntegerField()


class SampleAnswer(serializers.Serializer[Any]):
    """A reply of remote servers, and its number among the newest bounces. Replies that differ in
    addresses, IPs, ids, times and numbers are one: `reply` is the newest of them, `pattern` what
    they have in common and `fingerprint` its name."""

    category = serializers.CharField(allow_blank=True)
    bounce_class = serializers.CharField(help_text="The table is in docs/replies.md.")
    status = serializers.CharField(allow_null=True, help_text="RFC 3463's, as the server gave it.")
    fingerprint = serializers.CharField()
    pattern = serializers.CharField(allow_blank=True)
    reply = serializers.CharField(allow_blank=True)
    count = serializers.IntegerField()
    last_at = serializers.DateTimeField()


class BounceDestinationAnswer(CountAnswer):
    """One destination. `ratio`: bounces of all outcomes of attempts there."""

    ratio = serializers.FloatField()


class BounceAnswer(SpanAnswer):
    """Bounces by type (hard, soft, or unknown: empty), by category and by destination."""

    direction = serializers.CharField()
    count = serializers.IntegerField()
    types = CountAnswer(many=True)
    categories = CountAnswer(many=True)
    destinations = BounceDestinationAnswer(many=True)
    samples = SampleAnswer(many=True)
    samples_of = serializers.IntegerField(help_text="Of so many of the newest bounces.")


def build_bounces(*, buckets: Buckets, direction: str, limit: int, **_: Any) -> dict[str, Any]:
    reply_classes.refresh()
    by_kind = queries.totals(
        LevelQuery.of(buckets.merged, direction, "bounce"), event_type="bounced"
    )
    types: Counter[str] = Counter()
    categories: Counter[str] = Counter()
    for value, count in by_kind:
        bounce_type, _colon, category = value.partition(":")
        types[bounce_type] += count
        categories[category] += count
    at_destinations = LevelQuery.of(buckets.merged, direction, "to_domain")
    bounced = queries.totals(at_destinations, event_type="bounced", limit=limit)
    attempts: Counter[str] = Counter()
    if bounced:
        values = [value for value, _ in bounced]
        for row in queries.counts(at_destinations, values=values, event_types=OUTCOMES["outbound"]):
            attempts[row.value] += row.events
    replies = events.newest_bounces(buckets.start, buckets.end, direction=direction)
    return {
        **build_span(buckets),
        "direction": direction,
        "count": types.total(),
        "types": _build_counts(types),
        "categories": _build_counts(categories),
        "destinations": [
            {"value": value, "count": count, "ratio": count / max(count, attempts[value])}
            for value, count in bounced
        ],
        "samples": _build_samples(replies),
        "samples_of": sum(reply.count for reply in replies),
    }


def _build_counts(counter: Counter[str]) -> list[dict[str, Any]]:
    return [{"value": value, "count": count} for value, count in counter.most_common()]


def _build_samples(replies: list[events.Reply]) -> list[dict[str, Any]]:
    groups = defaultdict(list)
    for reply in replies:
        groups[reply.category, fingerprint(reply.reply)].append(reply)
    by_category: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for (category, name), group in sorted(
        groups.items(), key=lambda item: -sum(reply.count for reply in item[1])
    ):
        newest = max(group, key=lambda reply: reply.last_at)
        meaning = find_meaning(category, newest.reply)
        by_category[category].append(
            {
                "category": category,
                "bounce_class": meaning.bounce_class,
                "status": meaning.status,
                "fingerprint": name,
                "pattern": normalize(newest.reply),
                "reply": newest.reply,
                "count": sum(reply.count for reply in group),
                "last_at": newest.last_at,
            }
        )
    return [
        sample
        for category in sorted(by_category)
        for sample in by_category[category][:MAX_SAMPLES_OF_A_CATEGORY]
    ]


BounceView = query_view(
    build_bounces,
    DestinationsQuery,
    BounceAnswer,
    summary="Bounce analysis",
    is_cached=True,
    has_addresses=True,
)


class RepliesQuery(BucketsQuery):
    """Query of /email/replies."""

    provider = TextFilter(help_text="Of this operator's servers alone.")
    limit = serializers.IntegerField(min_value=1, max_value=500, default=50)


class RefusalReplyAnswer(serializers.Serializer[Any]):
    """One reply of one provider. What is not known any more is empty or null."""

    provider = serializers.CharField()
    fingerprint = serializers.CharField()
    events = serializers.DictField(child=serializers.IntegerField())
    bounce_class = serializers.CharField(allow_blank=True)
    text = serializers.CharField(allow_blank=True, help_text="Without ids, addresses and the like.")
    example = serializers.CharField(allow_blank=True, help_text="One as it came.")
    first_seen_at = serializers.DateTimeField(allow_null=True, help_text="Of any provider.")
    last_seen_at = serializers.DateTimeField(allow_null=True)


class RepliesAnswer(SpanAnswer):
    """The replies with the most events, most first."""

    replies = RefusalReplyAnswer(many=True)


def build_replies(
    *, buckets: Buckets, limit: int, now: datetime, provider: str | None = None
) -> dict[str, Any]:
    query = LevelQuery.of(buckets.merged, "outbound", "provider_reply")
    if provider is not None:
        query = replace(query, prefix=f"{provider} ")
    return {
        **build_span(buckets),
        "replies": [asdict(reply) for reply in read_replies(query, limit=limit)],
    }


RepliesView = query_view(
    build_replies,
    RepliesQuery,
    RepliesAnswer,
    summary="Replies",
    description="Answer the replies to outbound mail that was not taken.",
    is_cached=True,
)
