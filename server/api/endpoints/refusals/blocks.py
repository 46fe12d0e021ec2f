"""/email/blocks: mail that providers refuse, or refused, since when and why."""

from typing import Any

from django.forms.models import model_to_dict
from rest_framework import serializers

from server.alerts.blocks.listing import MAX_LISTED, find_blocks
from server.alerts.blocks.models import Block
from server.alerts.blocks.wording import describe, describe_cause
from server.api.query_params import MAX_TEXT_CHARS, SpanQuery
from server.api.views import query_view
from server.events.providers import find_by_name
from server.rollups.plan import Span


class BlocksQuery(SpanQuery):
    """Query of /email/blocks."""

    provider = serializers.CharField(max_length=MAX_TEXT_CHARS, required=False)
    kind = serializers.ChoiceField(choices=Block.Kind.values, required=False)
    subject = serializers.CharField(max_length=MAX_TEXT_CHARS, required=False)


class NameCount(serializers.Serializer[Any]):
    """Messages that were refused of one name."""

    name = serializers.CharField(allow_blank=True)
    count = serializers.IntegerField()


class ReplyCount(serializers.Serializer[Any]):
    """Messages that one reply refused."""

    fingerprint = serializers.CharField()
    bounce_class = serializers.CharField()
    permanent = serializers.BooleanField()
    count = serializers.IntegerField()


class EvidenceAnswer(serializers.Serializer[Any]):
    """An event that was refused."""

    event_id = serializers.UUIDField()
    occurred_at = serializers.DateTimeField()
    sender = serializers.CharField(allow_blank=True)
    domain = serializers.CharField(allow_blank=True)
    ip = serializers.CharField(allow_blank=True)
    reply = serializers.CharField(allow_blank=True)


class BlockAnswer(serializers.Serializer[Any]):
    """Mail of ours that a provider began to refuse. Counts are of messages at their first attempt,
    since it began."""

    id = serializers.IntegerField()
    text = serializers.CharField()
    cause = serializers.CharField(allow_blank=True)
    kind = serializers.ChoiceField(
        choices=Block.Kind.values, help_text="Whose mail: of one subject, or everybody's."
    )
    provider = serializers.CharField()
    subject = serializers.CharField(allow_blank=True)
    started_at = serializers.DateTimeField(help_text="Of the first refusal.")
    found_at = serializers.DateTimeField()
    permanent_at = serializers.DateTimeField(
        allow_null=True, help_text="Of the first permanent refusal; null: they are temporary."
    )
    refused_at = serializers.DateTimeField(help_text="Of the last refusal.")
    ended_at = serializers.DateTimeField(allow_null=True, help_text="Null: it lasts.")
    end_reason = serializers.ChoiceField(choices=Block.EndReason.values, allow_blank=True)
    refused_count = serializers.IntegerField()
    taken_count = serializers.IntegerField()
    bounce_class = serializers.CharField(allow_blank=True)
    reply_fingerprint = serializers.CharField(allow_blank=True)
    reply = serializers.CharField(allow_blank=True)
    remedy_url = serializers.CharField(
        allow_blank=True, help_text="The provider's page for postmasters, where it is known."
    )
    senders = NameCount(many=True, help_text="Accounts; `@` and a domain where nobody logged in.")
    domains = NameCount(many=True)
    ips = NameCount(many=True)
    replies = ReplyCount(many=True)
    evidence = EvidenceAnswer(many=True)


class BlocksAnswer(serializers.Serializer[Any]):
    """Blocks that were open in this time, those that last first, then the newest."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    cut = serializers.BooleanField(
        help_text=f"There were more than {MAX_LISTED}: the newest are here."
    )
    blocks = BlockAnswer(many=True)


def build_blocks(
    *, span: Span, provider: str | None = None, kind: str | None = None, subject: str | None = None
) -> dict[str, Any]:
    """Return the blocks of a time, of one provider, kind and subject or of all."""
    rows = find_blocks(
        span.start,
        span.end,
        providers=None if provider is None else [provider],
        kind=kind,
        subject=subject,
        limit=MAX_LISTED + 1,
    )
    blocks = [_build(block) for block in rows[:MAX_LISTED]]
    return {
        "start": span.start,
        "end": span.end,
        "cut": len(rows) > MAX_LISTED,
        "blocks": blocks,
    }


def _build(block: Block) -> dict[str, Any]:
    about = find_by_name(block.provider)
    names = {
        name: [{"name": each, "count": count} for each, count in getattr(block, name)]
        for name in ("senders", "domains", "ips")
    }
    return model_to_dict(block) | names | {
        "text": describe(block),
        "cause": describe_cause(block),
        "remedy_url": about.postmaster_url if about else "",
    }  # fmt: skip


BlocksView = query_view(
    build_blocks,
    BlocksQuery,
    BlocksAnswer,
    summary="Blocks",
    description="Answer what providers refuse, or refused in this time.",
)
