"""/routes: which alerts go to which channels, and who would be notified of one now."""

from datetime import UTC
from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from server.alerts.actions import Refused
from server.alerts.models import MAX_SUBJECT_CHARS, NotificationRoute, Severity, Suppression
from server.alerts.notifications import queries
from server.alerts.notifications.forms import MAX_MINUTES, MAX_STEPS
from server.alerts.notifications.models import MAX_NAME_CHARS
from server.alerts.notifications.routes import editing
from server.alerts.notifications.routes.preview import Wake, make_flip, preview_wakes
from server.alerts.rules import active_rules
from server.api.operations import OperatorView, act
from server.api.permissions import NOT_FOUND, REFUSALS
from server.api.query_params import parse_query

MAX_POSITION, MAX_RULES, MAX_CHANNELS, MAX_ZONE_CHARS = 1_000_000, 200, 50, 64


class RouteStep(serializers.Serializer[Any]):
    """Channels that are notified so many minutes after the alert fired; 0: at once."""

    after_min = serializers.IntegerField(min_value=0, max_value=MAX_MINUTES)
    channels = serializers.ListField(
        child=serializers.CharField(max_length=MAX_NAME_CHARS), max_length=MAX_CHANNELS
    )


class RouteFields(serializers.Serializer[Any]):
    """Fields of a route. Without `rules`, `severities`, `node` and `subject` it is of all alerts;
    `*` stands for any text."""

    name = serializers.CharField(max_length=MAX_NAME_CHARS)
    position = serializers.IntegerField(
        min_value=0, max_value=MAX_POSITION, default=0, help_text="Routes are tried in this order."
    )
    rules = serializers.ListField(
        child=serializers.CharField(max_length=MAX_NAME_CHARS), max_length=MAX_RULES, default=list
    )
    severities = serializers.ListField(
        child=serializers.ChoiceField(choices=Severity.values), max_length=2, default=list
    )
    node = serializers.CharField(max_length=64, default="", allow_blank=True)
    subject = serializers.CharField(max_length=MAX_SUBJECT_CHARS, default="", allow_blank=True)
    steps = serializers.ListField(child=RouteStep(), min_length=1, max_length=MAX_STEPS)
    repeat_min = serializers.IntegerField(
        min_value=0, max_value=MAX_MINUTES, default=0, help_text="Of the last step; 0: once."
    )
    quiet_from = serializers.TimeField(default=None, allow_null=True)
    quiet_to = serializers.TimeField(default=None, allow_null=True)
    time_zone = serializers.CharField(max_length=MAX_ZONE_CHARS, default="UTC")


class RouteAnswer(serializers.ModelSerializer[NotificationRoute]):
    """A route."""

    rules = serializers.ListField(child=serializers.CharField())
    severities = serializers.ListField(child=serializers.ChoiceField(choices=Severity.values))
    steps = RouteStep(many=True)

    class Meta:
        model = NotificationRoute
        fields = [
            "id", "name", "position", "rules", "severities", "node", "subject", "steps",
            "repeat_min", "quiet_from", "quiet_to", "time_zone",
        ]  # fmt: skip


class RoutesAnswer(serializers.Serializer[Any]):
    """All routes, in the order in which they are tried."""

    routes = RouteAnswer(many=True)


class RoutesView(OperatorView):
    """Routes: operators and read keys read them, administrators add them."""

    @extend_schema(
        responses={200: RoutesAnswer, **REFUSALS},
        summary="Routes of notifications",
        operation_id="v1_routes_list",
    )
    def get(self, request: Request) -> Response:
        self.require_staff()
        return Response({"routes": RouteAnswer(queries.list_routes(), many=True).data})

    @extend_schema(
        request=RouteFields, responses={201: RouteAnswer, **REFUSALS}, summary="Add a route"
    )
    def post(self, request: Request) -> Response:
        self.require_administrator()
        fields = self.parse(RouteFields)
        with act():
            row = editing.save_route(self.person, NotificationRoute(), fields)
        return Response(RouteAnswer(row).data, status=201)


class RouteView(OperatorView):
    """One route: operators and read keys read it, administrators change and delete it."""

    @extend_schema(responses={200: RouteAnswer, **REFUSALS, **NOT_FOUND}, summary="Route")
    def get(self, request: Request, pk: int) -> Response:
        self.require_staff()
        return Response(RouteAnswer(_find(pk)).data)

    @extend_schema(
        request=RouteFields,
        responses={200: RouteAnswer, **REFUSALS, **NOT_FOUND},
        summary="Change a route: what is left out stays",
    )
    def patch(self, request: Request, pk: int) -> Response:
        self.require_administrator()
        row = _find(pk)
        body = RouteFields(data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        with act():
            fields = editing.read_fields(row) | dict(body.validated_data)
            row = editing.save_route(self.person, row, fields)
        return Response(RouteAnswer(row).data)

    @extend_schema(responses={204: None, **REFUSALS, **NOT_FOUND}, summary="Delete a route")
    def delete(self, request: Request, pk: int) -> Response:
        self.require_administrator()
        with act():
            editing.delete_route(self.person, _find(pk))
        return Response(status=204)


class RoutePreviewQuery(serializers.Serializer[Any]):
    """An alert of this rule that would fire now."""

    rule = serializers.CharField(max_length=MAX_NAME_CHARS)
    node = serializers.CharField(max_length=64, default="", allow_blank=True)
    subject = serializers.CharField(max_length=MAX_SUBJECT_CHARS, default="", allow_blank=True)


class WakeAnswer(serializers.Serializer[Any]):
    """A channel that would be notified. `held_until`: the end of quiet hours; null: it goes at
    once. `repeat_min` 0: once. `enabled` false: it is switched off, or gone."""

    channel = serializers.CharField()
    route = serializers.CharField()
    after_min = serializers.IntegerField()
    repeat_min = serializers.IntegerField()
    held_until = serializers.DateTimeField(allow_null=True)
    enabled = serializers.BooleanField()


class RoutePreviewAnswer(serializers.Serializer[Any]):
    """Who would be notified; nobody while it is suppressed."""

    severity = serializers.ChoiceField(choices=Severity.values)
    suppression = serializers.ChoiceField(choices=Suppression.values, allow_blank=True)
    wakes = WakeAnswer(many=True)


class RoutePreviewView(OperatorView):
    """Who would be notified of an alert now: for operators."""

    @extend_schema(
        parameters=[RoutePreviewQuery],
        responses={200: RoutePreviewAnswer, **REFUSALS},
        summary="Who would be notified of an alert now",
    )
    def get(self, request: Request) -> Response:
        self.require_staff()
        alert, now = parse_query(RoutePreviewQuery, request), timezone.now()
        with act():
            rule = active_rules().get(alert["rule"])
            if rule is None:
                raise Refused("rule", "There is no rule of this name that is on: see /rules.")
        alert["severity"] = str(rule.severity)
        suppression = editing.read_suppression(**alert, now=now)
        rows, channels = queries.list_routes(), queries.list_enabled_channels()
        wakes = preview_wakes(make_flip(**alert, now=now), rows, channels, now)
        return Response(
            {
                "severity": alert["severity"],
                "suppression": suppression,
                "wakes": [] if suppression else [_build_wake(wake) for wake in wakes],
            }
        )


def _build_wake(wake: Wake) -> dict[str, Any]:
    return {
        "channel": wake.channel,
        "route": wake.route,
        "after_min": round(wake.after.total_seconds() / 60),
        "repeat_min": round(wake.repeat_every.total_seconds() / 60),
        "held_until": wake.held_until and wake.held_until.astimezone(UTC),
        "enabled": wake.is_enabled,
    }


def _find(pk: int) -> NotificationRoute:
    row = NotificationRoute.objects.filter(pk=pk).first()
    if row is None:
        raise Http404
    return row
