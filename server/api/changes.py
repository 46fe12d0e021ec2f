"""What /changes is asked and answers."""

from dataclasses import asdict
from typing import Any

from rest_framework import serializers

from server.api.query import SpanQuery
from server.nodes.models import Change
from server.nodes.queries import changes
from server.rollups.plan import Span

#: More marks than these explain no chart.
MOST = 500


class ChangesQuery(SpanQuery):
    """The query string."""

    node = serializers.CharField(max_length=64, required=False, help_text="Default: every node.")


class ChangeAnswer(serializers.Serializer[Any]):
    """Something that happened to a node and that explains its charts."""

    node = serializers.CharField()
    kind = serializers.ChoiceField(
        choices=Change.Kind.values,
        help_text="A program started, another version was told of, or the node was not heard.",
    )
    subject = serializers.CharField(
        help_text="A program by the name its agent uses, `host` or `agent`."
    )
    at = serializers.DateTimeField(
        help_text="When it started, by the node's clock; was told of; or was last heard."
    )
    ended_at = serializers.DateTimeField(
        allow_null=True, help_text="Of a silence: when the node was heard again; null: not yet."
    )
    before = serializers.CharField(allow_blank=True, help_text="The version before.")
    after = serializers.CharField(allow_blank=True, help_text="The version since.")


class ChangesAnswer(serializers.Serializer[Any]):
    """What happened to nodes, oldest first."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    cut = serializers.BooleanField(help_text=f"There were more than {MOST}: the newest are here.")
    changes = ChangeAnswer(many=True)


def answer(*, span: Span, node: str | None = None) -> dict[str, Any]:
    """Return what happened in a stretch of time, to one node or to all that are not retired."""
    found = changes(span.start, span.end, now=span.now, limit=MOST + 1, node=node)
    return {
        "start": span.start,
        "end": span.end,
        "cut": len(found) > MOST,
        "changes": [asdict(change) for change in found[-MOST:]],
    }
