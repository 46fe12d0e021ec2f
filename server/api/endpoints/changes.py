"""/changes: starts of programs, other versions, silences and maintenance of nodes, and what began
to be wrong: incidents and blocks."""

from dataclasses import asdict
from typing import Any

from rest_framework import serializers

from server.alerts import queries
from server.api.query_params import SpanQuery, TextFilter
from server.api.views import query_view
from server.nodes.models import Change
from server.nodes.queries import changes
from server.rollups.plan import Span

#: More marks than these explain no chart.
MAX_CHANGES = 500
KINDS = [*Change.Kind.values, "incident", "block"]
#: Fields that only the others have.
OF_NODES: dict[str, Any] = {"number": None, "severity": "", "text": ""}
OF_OTHERS: dict[str, Any] = {"subject": "", "before": "", "after": ""}


class ChangesQuery(SpanQuery):
    """Query of /changes."""

    node = serializers.CharField(max_length=64, required=False, help_text="Default: every node.")
    name = TextFilter(
        help_text="Incidents and blocks of this subject or provider alone: example.com."
    )


class ChangeAnswer(serializers.Serializer[Any]):
    """Something that happened and that explains charts."""

    node = serializers.CharField(
        allow_blank=True, help_text="Empty: an incident of several nodes or of none, a block."
    )
    kind = serializers.ChoiceField(
        choices=KINDS,
        help_text="A program started, another version was reported, the node was silent or in"
        " maintenance, an incident, a block.",
    )
    subject = serializers.CharField(
        allow_blank=True, help_text="A program by the name its agent uses, `host` or `agent`."
    )
    at = serializers.DateTimeField(
        help_text="When it started, by the node's clock; was reported; was last seen; or began."
    )
    ended_at = serializers.DateTimeField(
        allow_null=True,
        help_text="Of what lasts: when the node was seen again, or it was over; null: not yet.",
    )
    before = serializers.CharField(allow_blank=True, help_text="The version before.")
    after = serializers.CharField(allow_blank=True, help_text="The version since.")
    number = serializers.IntegerField(
        allow_null=True, help_text="Of an incident or a block: by which its page is found."
    )
    severity = serializers.CharField(allow_blank=True, help_text="Of an incident or a block.")
    text = serializers.CharField(allow_blank=True, help_text="Of an incident or a block.")


class ChangesAnswer(serializers.Serializer[Any]):
    """Changes of nodes, oldest first."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    cut = serializers.BooleanField(
        help_text=f"There were more than {MAX_CHANGES}: the newest are here."
    )
    changes = ChangeAnswer(many=True)


def build_changes(
    *, span: Span, node: str | None = None, name: str | None = None
) -> dict[str, Any]:
    """Return the changes of a time, of one node or of all that are not retired."""
    of_nodes = changes(span.start, span.end, now=span.now, limit=MAX_CHANGES + 1, node=node)
    rows = [{**OF_NODES, **asdict(change)} for change in of_nodes]
    rows += [
        {**OF_OTHERS, **asdict(each)}
        for each in queries.happenings(span.start, span.end, node=node, name=name)
    ]
    rows.sort(key=lambda row: row["at"])
    return {
        "start": span.start,
        "end": span.end,
        "cut": len(rows) > MAX_CHANGES,
        "changes": rows[-MAX_CHANGES:],
    }


ChangesView = query_view(
    build_changes,
    ChangesQuery,
    ChangesAnswer,
    summary="Changes, incidents and blocks",
    description="Answer, oldest first.",
    is_cached=True,
)
