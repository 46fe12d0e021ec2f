"""/email/unclassified-replies: replies of remote servers that no rule and no person classified."""

from typing import Any

from rest_framework import serializers

from server.api.query_params import SpanQuery
from server.api.views import query_view
from server.events.reply_classes import MAX_LISTED, Unclassified, read_unclassified
from server.rollups.plan import Span


class UnclassifiedQuery(SpanQuery):
    """A range of time, and how many texts."""

    limit = serializers.IntegerField(
        min_value=1, max_value=MAX_LISTED, default=50, help_text="Most texts, most frequent first."
    )


class UnclassifiedReplyAnswer(serializers.Serializer[Any]):
    """One text: `pattern`, what its replies have in common; `reply`, the newest of them."""

    fingerprint = serializers.CharField()
    pattern = serializers.CharField(allow_blank=True)
    reply = serializers.CharField(allow_blank=True)
    count = serializers.IntegerField()
    first_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()
    providers = serializers.ListField(child=serializers.CharField())
    assigned = serializers.CharField(
        allow_null=True,
        help_text="The class a person gave it since; stored events have it not yet.",
    )


class UnclassifiedAnswer(serializers.Serializer[Any]):
    """Outbound refusals of class `other` with a reply, by its text."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    count = serializers.IntegerField(
        help_text="Refusals, among the newest 30 000 bounces, deferrals and rejections each."
    )
    texts_count = serializers.IntegerField()
    is_cut = serializers.BooleanField(
        help_text="There may be more, in older refusals than were read."
    )
    replies = UnclassifiedReplyAnswer(many=True)


def build_unclassified(*, span: Span, limit: int) -> dict[str, Any]:
    found = read_unclassified(span.start, span.end, limit=limit)
    return {
        "start": span.start,
        "end": span.end,
        "count": found.of_count,
        "texts_count": found.texts_count,
        "is_cut": found.is_cut,
        "replies": [_build_reply(reply) for reply in found.replies],
    }


def _build_reply(reply: Unclassified) -> dict[str, Any]:
    return {
        "fingerprint": reply.fingerprint,
        "pattern": reply.text,
        "reply": reply.reply,
        "count": reply.count,
        "first_at": reply.first_at,
        "last_at": reply.last_at,
        "providers": list(reply.providers),
        "assigned": reply.assigned,
    }


UnclassifiedView = query_view(
    build_unclassified,
    UnclassifiedQuery,
    UnclassifiedAnswer,
    summary="Replies without a class",
    is_cached=True,
    has_addresses=True,
)
