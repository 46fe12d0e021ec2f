"""/changes: starts of programs, other versions, and silences of nodes."""

from dataclasses import asdict
from typing import Any

from rest_framework import serializers

from server.api.query_params import SpanQuery
from server.api.views import query_view
from server.nodes.models import Change
from server.nodes.queries import changes
from server.rollups.plan import Span

#: More marks than these explain no chart.
MAX_CHANGES = 500


class ChangesQuery(SpanQuery):
    """Query of /changes."""

    node = serializers.CharField(max_length=64, required=False, help_text="Default: every node.")


class ChangeAnswer(serializers.Serializer[Any]):
    """Something that happened to a node and that explains its charts."""

    node = serializers.CharField()
    kind = serializers.ChoiceField(
        choices=Change.Kind.values,
        help_text="A program started, another version was reported, or the node was silent.",
    )
    subject = serializers.CharField(
        help_text="A program by the name its agent uses, `host` or `agent`."
    )
    at = serializers.DateTimeField(
        help_text="When it started, by the node's clock; was reported; or was last seen."
    )
    ended_at = serializers.DateTimeField(
        allow_null=True, help_text="Of a silence: when the node was seen again; null: not yet."
    )
    before = serializers.CharField(allow_blank=True, help_text="The version before.")
    after = serializers.CharField(allow_blank=True, help_text="The version since.")


class ChangesAnswer(serializers.Serializer[Any]):
    """Changes of nodes, oldest first."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    cut = serializers.BooleanField(
        help_text=f"There were more than {MAX_CHANGES}: the newest are here."
    )
    changes = ChangeAnswer(many=True)


def build_changes(*, span: Span, node: str | None = None) -> dict[str, Any]:
    """Return the changes of a time, of one node or of all that are not retired."""
    rows = changes(span.start, span.end, now=span.now, limit=MAX_CHANGES + 1, node=node)
    return {
        "start": span.start,
        "end": span.end,
        "cut": len(rows) > MAX_CHANGES,
        "changes": [asdict(change) for change in rows[-MAX_CHANGES:]],
    }


ChangesView = query_view(
    build_changes,
    ChangesQuery,
    ChangesAnswer,
    summary="Changes",
    description="Answer, oldest first.",
    is_cached=True,
)
