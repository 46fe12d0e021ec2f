"""What /email/bounce-analysis is asked and answers."""

from collections import Counter, defaultdict
from typing import Any

from rest_framework import serializers

from server.api.query import DirectionQuery, SpanAnswer, span_answer
from server.events import queries as events
from server.events import replies as said
from server.rollups.mail import queries
from server.rollups.mail.level_query import LevelQuery
from server.rollups.plan import Buckets

SAMPLES_OF_A_CATEGORY = 3
#: The types that say how an attempt ended: a ratio is of their sum.
ATTEMPTS = ("delivered", "bounced", "deferred")


class BounceQuery(DirectionQuery):
    """The query string."""

    limit = serializers.IntegerField(
        min_value=1, max_value=100, default=20, help_text="Most destinations, largest first."
    )


class CountAnswer(serializers.Serializer[Any]):
    """How many bounces."""

    value = serializers.CharField(allow_blank=True)
    count = serializers.IntegerField()


class SampleAnswer(serializers.Serializer[Any]):
    """What remote servers said, and how often among the newest bounces. Replies that differ in
    addresses, IPs, ids, times and numbers are one: `reply` is the newest of them, `pattern` what
    they have in common and `fingerprint` its name."""

    category = serializers.CharField(allow_blank=True)
    bounce_class = serializers.CharField(help_text="The table is in docs/capture.md.")
    status = serializers.CharField(allow_null=True, help_text="RFC 3463's, like 5.1.1.")
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


def answer(*, buckets: Buckets, direction: str, limit: int, **_: Any) -> dict[str, Any]:
    """Return the answer."""
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
        for found in queries.counts(at_destinations, values=values, event_types=ATTEMPTS):
            attempts[found.value] += found.events
    replies = events.newest_bounces(buckets.start, buckets.end, direction=direction)
    return {
        **span_answer(buckets),
        "direction": direction,
        "count": types.total(),
        "types": _counts(types),
        "categories": _counts(categories),
        "destinations": [
            {"value": value, "count": count, "ratio": count / max(count, attempts[value])}
            for value, count in bounced
        ],
        "samples": _samples(replies),
        "samples_of": sum(reply.count for reply in replies),
    }


def _counts(counter: Counter[str]) -> list[dict[str, Any]]:
    return [{"value": value, "count": count} for value, count in counter.most_common()]


def _samples(replies: list[events.Reply]) -> list[dict[str, Any]]:
    alike = defaultdict(list)
    for reply in replies:
        alike[reply.category, said.fingerprint(reply.reply)].append(reply)
    by_category: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for (category, fingerprint), found in sorted(
        alike.items(), key=lambda item: -sum(reply.count for reply in item[1])
    ):
        newest = max(found, key=lambda reply: reply.last_at)
        meaning = said.meaning(category, newest.reply)
        by_category[category].append(
            {
                "category": category,
                "bounce_class": meaning.bounce_class,
                "status": meaning.status,
                "fingerprint": fingerprint,
                "pattern": said.normalised(newest.reply),
                "reply": newest.reply,
                "count": sum(reply.count for reply in found),
                "last_at": newest.last_at,
            }
        )
    return [
        sample
        for category in sorted(by_category)
        for sample in by_category[category][:SAMPLES_OF_A_CATEGORY]
    ]
