"""/alerts and /rules: what fires, by which rule, and rules that are muted."""

from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from server.alerts import actions, queries
from server.alerts.conditions.condition import Rule
from server.alerts.models import Alert, MutedRule, Severity, State
from server.alerts.rules import active_rules
from server.api.operations import OperatorView, act
from server.api.permissions import NOT_FOUND, REFUSALS
from server.api.views import query_view


class AlertsQuery(serializers.Serializer[Any]):
    """Query of /alerts."""

    open = serializers.BooleanField(default=True, help_text="false: those that have ended.")
    state = serializers.ChoiceField(choices=State.values[1:], required=False)
    severity = serializers.ChoiceField(choices=Severity.values, required=False)
    rule = serializers.CharField(max_length=64, required=False)
    node = serializers.CharField(max_length=64, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=queries.MAX_ROWS, default=100)


class AlertAnswer(serializers.ModelSerializer[Alert]):
    """One subject under one rule. `fired_at` null: it has not fired. `suppression`: why nobody is
    notified."""

    class Meta:
        model = Alert
        fields = [
            "id", "rule", "severity", "kind", "subject", "node", "state", "since", "started_at",
            "fired_at", "ended_at", "value", "text", "evidence", "incident_id", "inhibited_by_id",
            "suppression", "notified_at",
        ]  # fmt: skip


class AlertsAnswer(serializers.Serializer[Any]):
    """Alerts, the gravest and newest first."""

    alerts = AlertAnswer(many=True)


def build_alerts(*, open: bool, **filters: Any) -> dict[str, Any]:  # noqa: A002 (the parameter)
    rows = queries.alerts(is_open=open, **filters)
    return {"alerts": AlertAnswer(rows, many=True).data}


AlertsView = query_view(build_alerts, AlertsQuery, AlertsAnswer, summary="Alerts")


class MuteAnswer(serializers.ModelSerializer[MutedRule]):
    """Who muted a rule, when and why."""

    class Meta:
        model = MutedRule
        fields = ["at", "author", "reason"]


class RuleAnswer(serializers.Serializer[Any]):
    """A rule: its condition and figures, in the units of `units`. `muted` null: it is not."""

    name = serializers.CharField()
    condition = serializers.CharField()
    subject = serializers.CharField(help_text="Of what it judges: node, queue, member and so on.")
    severity = serializers.ChoiceField(choices=Severity.values)
    help = serializers.CharField()
    values = serializers.DictField(child=serializers.FloatField())
    units = serializers.DictField(child=serializers.CharField())
    muted = MuteAnswer(allow_null=True)


class RulesAnswer(serializers.Serializer[Any]):
    """The rules that are evaluated."""

    rules = RuleAnswer(many=True)


def build_rule(rule: Rule, mute: MutedRule | None) -> dict[str, Any]:
    return {
        "name": rule.name,
        "condition": rule.condition.name,
        "subject": rule.condition.subject,
        "severity": str(rule.severity),
        "help": rule.condition.help,
        "values": dict(rule.values),
        "units": {name: field.unit for name, field in rule.condition.fields.items()},
        "muted": MuteAnswer(mute).data if mute else None,
    }


class RulesQuery(serializers.Serializer[Any]):
    """Query of /rules."""

    muted = serializers.BooleanField(
        required=False, default=None, allow_null=True, help_text="Only muted ones, or only others."
    )


def build_rules(*, muted: bool | None = None) -> dict[str, Any]:
    mutes = queries.muted_rules()
    return {
        "rules": [
            build_rule(rule, mutes.get(name))
            for name, rule in active_rules().items()
            if muted in (None, name in mutes)
        ]
    }


RulesView = query_view(
    build_rules, RulesQuery, RulesAnswer, summary="Rules", operation_id="v1_rules_list"
)


class MuteBody(serializers.Serializer[Any]):
    """Mutes a rule, or unmutes it."""

    muted = serializers.BooleanField()
    reason = serializers.CharField(max_length=2_000, required=False, default="")


class RuleView(OperatorView):
    """One rule: who may read reads it, operators mute it."""

    @extend_schema(responses={200: RuleAnswer, **REFUSALS, **NOT_FOUND}, summary="Rule")
    def get(self, request: Request, name: str) -> Response:
        if name not in active_rules():
            raise Http404
        return Response(build_rule(active_rules()[name], queries.muted_rules().get(name)))

    @extend_schema(
        request=MuteBody,
        responses={200: RuleAnswer, **REFUSALS, **NOT_FOUND},
        summary="Mute or unmute a rule",
    )
    def post(self, request: Request, name: str) -> Response:
        body = self.parse(MuteBody)
        if name not in active_rules():
            raise Http404
        with act():
            if body["muted"]:
                row = actions.mute(
                    name, reason=body["reason"], author=self.author, now=timezone.now()
                )
                self.audit(row, f"Muted: {body['reason']}")
            elif row_or_none := queries.muted_rules().get(name):
                self.audit(row_or_none, "Unmuted.")
                actions.unmute(name)
        return self.get(request, name)
