"""/rules/preview: what a rule would have fired in the last 30 days."""

from datetime import UTC, datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from server.alerts.backtest.preview import Preview, preview_rule
from server.alerts.definitions import editing
from server.api.endpoints.rules.definitions import RuleBody, drop_nulls
from server.api.operations import OperatorView, act
from server.api.permissions import REFUSALS

#: Firings that a preview names; all are counted.
MAX_FIRINGS = 100


class FiringAnswer(serializers.Serializer[Any]):
    """A time in which a rule would have fired. `ended_at` null: it still would. `peak`: the worst
    value, in the unit of the threshold."""

    subject = serializers.CharField()
    node = serializers.CharField(allow_blank=True)
    fired_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    lasted_s = serializers.FloatField()
    peak = serializers.FloatField(allow_null=True)


class PreviewAnswer(serializers.Serializer[Any]):
    """What a rule would have fired between two times. `reason`: why nobody knows; empty where it is
    known. `note`: how exact it is. `firings`: the newest; `fired_count` is of all."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    reason = serializers.CharField(allow_blank=True)
    note = serializers.CharField(allow_blank=True)
    subjects_count = serializers.IntegerField()
    fired_count = serializers.IntegerField()
    firing_s = serializers.FloatField()
    firings = FiringAnswer(many=True)


def build_preview(preview: Preview) -> dict[str, Any]:
    return {
        "since": preview.start,
        "until": preview.end,
        "reason": preview.reason,
        "note": preview.note,
        "subjects_count": preview.subjects_count,
        "fired_count": len(preview.firings),
        "firing_s": preview.firing_s,
        "firings": [
            {
                "subject": firing.subject.name,
                "node": firing.subject.node,
                "fired_at": datetime.fromtimestamp(firing.fired_s, UTC),
                "ended_at": firing.ended_s and datetime.fromtimestamp(firing.ended_s, UTC),
                "lasted_s": preview.lasted_s(firing),
                "peak": firing.peak,
            }
            for firing in preview.firings[:MAX_FIRINGS]
        ],
    }


class RulePreviewView(OperatorView):
    """Back-test of a rule before it is saved; nothing is changed."""

    @extend_schema(
        request=RuleBody,
        responses={200: PreviewAnswer, **REFUSALS},
        summary="What a rule would have fired in the last 30 days",
        operation_id="v1_rules_preview",
    )
    def post(self, request: Request) -> Response:
        body = self.parse(RuleBody)
        name = body.pop("name")
        with act():
            rule = editing.parse_fields(name, drop_nulls(body)).rule
            return Response(PreviewAnswer(build_preview(preview_rule(rule, timezone.now()))).data)
