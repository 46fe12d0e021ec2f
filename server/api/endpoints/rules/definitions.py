"""/rules: rules with their figures, how they are defined, and mutes."""

from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from server.alerts import actions
from server.alerts.definitions import editing
from server.alerts.definitions.parser import MAX_PATTERN_CHARS, MAX_PATTERNS
from server.alerts.definitions.queries import RuleState, rule_states
from server.alerts.models import MAX_NAME_CHARS, MAX_WORDS_CHARS, MutedRule, Severity
from server.api.operations import OperatorView, act
from server.api.permissions import NOT_FOUND, REFUSALS
from server.api.query_params import parse_query

MAX_FIGURE_CHARS = 40


class MuteAnswer(serializers.ModelSerializer[MutedRule]):
    """Who muted a rule, when and why."""

    class Meta:
        model = MutedRule
        fields = ["at", "author", "reason"]


class RuleMatch(serializers.Serializer[Any]):
    """Patterns of the nodes and subjects that a rule judges; without any it judges all."""

    node = serializers.ListField(child=serializers.CharField())
    subject = serializers.ListField(child=serializers.CharField())


class RuleAnswer(serializers.Serializer[Any]):
    """A rule: its condition and figures, in the units of `units`. `muted` null: it is not.
    `file`: the rule file that defines it."""

    name = serializers.CharField()
    condition = serializers.CharField()
    subject = serializers.CharField(help_text="Of what it judges: node, queue, member and so on.")
    severity = serializers.ChoiceField(choices=Severity.values)
    help = serializers.CharField()
    enabled = serializers.BooleanField()
    values = serializers.DictField(child=serializers.FloatField())
    units = serializers.DictField(child=serializers.CharField())
    match = RuleMatch()
    source = serializers.ChoiceField(  # type: ignore[assignment]  # a field, not where one is from
        choices=["default", "form", "file"]
    )
    file = serializers.CharField(allow_blank=True)
    firing_count = serializers.IntegerField(help_text="Alerts that fire now.")
    fired_count = serializers.IntegerField(help_text="Alerts that fired in the last 30 days.")
    muted = MuteAnswer(allow_null=True)


class RulesAnswer(serializers.Serializer[Any]):
    """All rules, those that are off too."""

    rules = RuleAnswer(many=True)


def build_rule(state: RuleState) -> dict[str, Any]:
    rule = state.entry.rule
    return {
        "name": rule.name,
        "condition": rule.condition.name,
        "subject": rule.condition.subject,
        "severity": str(rule.severity),
        "help": rule.condition.help,
        "enabled": state.entry.is_enabled,
        "values": dict(rule.values),
        "units": {name: field.unit for name, field in rule.condition.fields.items()},
        "match": {"node": rule.nodes, "subject": rule.subjects},
        "source": state.entry.source,
        "file": state.entry.file,
        "firing_count": state.firing_count,
        "fired_count": state.fired_count,
        "muted": MuteAnswer(state.mute).data if state.mute else None,
    }


class RulesQuery(serializers.Serializer[Any]):
    """Query of /rules."""

    muted = serializers.BooleanField(
        required=False, default=None, allow_null=True, help_text="Only muted ones, or only others."
    )


@extend_schema_field(
    {
        "oneOf": [{"type": "number"}, {"type": "string", "maxLength": MAX_FIGURE_CHARS}],
        "nullable": True,
    }
)
class FigureField(serializers.Field[Any, Any, Any, Any]):
    """A number in the unit of its parameter, or a text with a unit, such as "5 min"."""

    def to_internal_value(self, data: Any) -> Any:
        """Return it as it is: the parser of rules checks it."""
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class RuleFields(serializers.Serializer[Any]):
    """Fields of a definition. null: as by default."""

    condition = serializers.CharField(max_length=MAX_NAME_CHARS, required=False, allow_null=True)
    severity = serializers.ChoiceField(choices=Severity.values, required=False, allow_null=True)
    enabled = serializers.BooleanField(required=False, allow_null=True)
    threshold = FigureField(required=False, allow_null=True)
    clear = FigureField(required=False, allow_null=True)
    keep_firing_for = FigureField(required=False, allow_null=True)
    window = FigureField(required=False, allow_null=True)
    min_count = FigureField(required=False, allow_null=True)
    node = serializers.ListField(
        child=serializers.CharField(max_length=MAX_PATTERN_CHARS, trim_whitespace=False),
        max_length=MAX_PATTERNS,
        required=False,
        allow_null=True,
    )
    subject = serializers.ListField(
        child=serializers.CharField(max_length=MAX_PATTERN_CHARS, trim_whitespace=False),
        max_length=MAX_PATTERNS,
        required=False,
        allow_null=True,
    )

    def get_fields(self) -> dict[str, Any]:
        """Add `for`, which is a keyword of Python."""
        return {**super().get_fields(), "for": FigureField(required=False, allow_null=True)}


class RuleBody(RuleFields):
    """A rule as it is to be: the name of a default rule, or one of your own."""

    name = serializers.CharField(max_length=MAX_NAME_CHARS)


class RulesView(OperatorView):
    """Rules: who may read reads them, administrators add them."""

    @extend_schema(
        parameters=[RulesQuery],
        responses={200: RulesAnswer, **REFUSALS},
        summary="Rules",
        operation_id="v1_rules_list",
    )
    def get(self, request: Request) -> Response:
        is_muted = parse_query(RulesQuery, request)["muted"]
        states = rule_states(timezone.now()).values()
        return Response(
            {
                "rules": [
                    build_rule(state)
                    for state in states
                    if is_muted in (None, state.mute is not None)
                ]
            }
        )

    @extend_schema(
        request=RuleBody,
        responses={201: RuleAnswer, **REFUSALS},
        summary="Add a rule, or define a default one",
    )
    def post(self, request: Request) -> Response:
        self.require_administrator()
        body, now = self.parse(RuleBody), timezone.now()
        name = body.pop("name")
        with act():
            if name in (states := rule_states(now)) and states[name].entry.definition:
                raise actions.Refused("name", "This rule is defined already: change it by PATCH.")
            editing.save_rule(self.person, editing.parse_fields(name, drop_nulls(body)), now)
        return Response(build_rule(rule_states(now)[name]), status=201)


def drop_nulls(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


class MuteBody(serializers.Serializer[Any]):
    """Mutes a rule, or unmutes it."""

    muted = serializers.BooleanField()
    reason = serializers.CharField(max_length=MAX_WORDS_CHARS, required=False, default="")


class RuleView(OperatorView):
    """One rule: who may read reads it, operators mute it, administrators change it."""

    @extend_schema(responses={200: RuleAnswer, **REFUSALS, **NOT_FOUND}, summary="Rule")
    def get(self, request: Request, name: str) -> Response:
        return Response(build_rule(self._find(name)))

    @extend_schema(
        request=MuteBody,
        responses={200: RuleAnswer, **REFUSALS, **NOT_FOUND},
        summary="Mute or unmute a rule",
        operation_id="v1_rules_mute",
    )
    def post(self, request: Request, name: str) -> Response:
        body = self.parse(MuteBody)
        mute = self._find(name).mute
        with act():
            if body["muted"]:
                row = actions.mute(
                    name, reason=body["reason"], author=self.author, now=timezone.now()
                )
                self.audit(row, f"Muted: {body['reason']}")
            elif mute:
                self.audit(mute, "Unmuted.")
                actions.unmute(name)
        return self.get(request, name)

    @extend_schema(
        request=RuleFields,
        responses={200: RuleAnswer, **REFUSALS, **NOT_FOUND},
        summary="Change the definition of a rule",
    )
    def patch(self, request: Request, name: str) -> Response:
        self.require_administrator()
        row = self._find(name).entry.definition
        fields = drop_nulls({**(row.fields if row else {}), **self.parse(RuleFields)})
        with act():
            editing.save_rule(self.person, editing.parse_fields(name, fields), timezone.now())
        return self.get(request, name)

    @extend_schema(
        responses={204: None, **REFUSALS, **NOT_FOUND},
        summary="Let a rule be as by default again, or remove one of your own",
    )
    def delete(self, request: Request, name: str) -> Response:
        self.require_administrator()
        self._find(name)
        with act():
            editing.remove_rule(self.person, name, timezone.now())
        return Response(status=204)

    def _find(self, name: str) -> RuleState:
        state = rule_states(timezone.now()).get(name)
        if state is None:
            raise Http404
        return state
