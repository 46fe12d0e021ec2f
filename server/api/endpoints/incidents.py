"""/incidents and /silences: alerts grouped by cause and time, and what people do about them."""

from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from server.alerts import actions, queries
from server.alerts.models import (
    MAX_SUBJECT_CHARS,
    MAX_WORDS_CHARS,
    AlertTransition,
    Incident,
    IncidentNote,
    OutboxNotification,
    Severity,
    Silence,
)
from server.api.endpoints.alerts import AlertAnswer
from server.api.operations import OperatorView, act
from server.api.permissions import NOT_FOUND, REFUSALS
from server.api.query_params import AwareTimeField, parse_query
from server.api.views import query_view


class IncidentAnswer(serializers.ModelSerializer[Incident]):
    """An incident. Open while `ended_at` is null."""

    class Meta:
        model = Incident
        fields = [
            "id", "cause", "severity", "text", "started_at", "joined_at", "ended_at",
            "merged_into_id", "acknowledged_at", "acknowledged_by", "snoozed_until",
        ]  # fmt: skip


class CountedIncidentAnswer(IncidentAnswer):
    """An incident, and how many alerts it has."""

    alerts_count = serializers.IntegerField()

    class Meta(IncidentAnswer.Meta):
        fields = [*IncidentAnswer.Meta.fields, "alerts_count"]


class IncidentsQuery(serializers.Serializer[Any]):
    """Query of /incidents."""

    open = serializers.BooleanField(default=True, help_text="false: those that have ended.")
    limit = serializers.IntegerField(min_value=1, max_value=queries.MAX_ROWS, default=100)


class IncidentsAnswer(serializers.Serializer[Any]):
    """Incidents: open ones by severity, ended ones the newest first."""

    incidents = CountedIncidentAnswer(many=True)


def build_incidents(*, open: bool, limit: int) -> dict[str, Any]:  # noqa: A002 (the parameter)
    rows = queries.incidents(is_open=open, limit=limit)
    return {"incidents": CountedIncidentAnswer(rows, many=True).data}


IncidentsView = query_view(
    build_incidents,
    IncidentsQuery,
    IncidentsAnswer,
    summary="Incidents",
    operation_id="v1_incidents_list",
)


class TransitionAnswer(serializers.ModelSerializer[AlertTransition]):
    """A flip of an alert, with its evidence."""

    class Meta:
        model = AlertTransition
        fields = [
            "alert_id", "at", "from_state", "to_state", "suppression", "value", "text", "evidence",
        ]  # fmt: skip


class NoteAnswer(serializers.ModelSerializer[IncidentNote]):
    """Something that somebody did to an incident, or wrote about it."""

    class Meta:
        model = IncidentNote
        fields = ["kind", "at", "author", "text"]


class NotificationAnswer(serializers.ModelSerializer[OutboxNotification]):
    """A notification, and whether it arrived."""

    class Meta:
        model = OutboxNotification
        fields = [
            "kind", "route", "channel", "created_at", "state", "attempts_count", "next_attempt_at",
            "sent_at", "last_error",
        ]  # fmt: skip


class IncidentDetailAnswer(serializers.Serializer[Any]):
    """One incident with its alerts, their flips, notes, notifications, and earlier incidents of
    the same cause."""

    incident = IncidentAnswer()
    alerts = AlertAnswer(many=True)
    transitions = TransitionAnswer(many=True)
    notes = NoteAnswer(many=True)
    notifications = NotificationAnswer(many=True)
    before = IncidentAnswer(many=True)


class IncidentBody(serializers.Serializer[Any]):
    """An action on an incident. `snooze` needs `for` or `until`, `comment` a `text`."""

    action = serializers.ChoiceField(choices=actions.ACTIONS)
    text = serializers.CharField(max_length=MAX_WORDS_CHARS, default="", allow_blank=True)
    until = AwareTimeField(required=False)

    def get_fields(self) -> dict[str, Any]:
        """Add `for`, which is a keyword of Python."""
        lengths = serializers.ChoiceField(choices=list(actions.SNOOZES), required=False)
        return {**super().get_fields(), "for": lengths}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["action"] == "snooze" and ("for" in attrs) == ("until" in attrs):
            raise serializers.ValidationError({"until": "Write either `for` or `until`."})
        return attrs


class IncidentView(OperatorView):
    """One incident: who may read reads it, operators act on it."""

    @extend_schema(
        responses={200: IncidentDetailAnswer, **REFUSALS, **NOT_FOUND}, summary="Incident"
    )
    def get(self, request: Request, pk: int) -> Response:
        try:
            detail = queries.incident_detail(pk)
        except Incident.DoesNotExist:
            raise Http404 from None
        return Response(IncidentDetailAnswer(detail).data)

    @extend_schema(
        request=IncidentBody,
        responses={200: IncidentDetailAnswer, **REFUSALS, **NOT_FOUND},
        summary="Acknowledge, comment, snooze or reopen an incident",
    )
    def post(self, request: Request, pk: int) -> Response:
        body = self.parse(IncidentBody)
        incident = Incident.objects.filter(pk=pk).first()
        if incident is None:
            raise Http404
        with act():
            self.audit(incident, f"{body['action']} {body['text']}".strip())
            self._act(incident, body)
        return self.get(request, pk)

    def _act(self, incident: Incident, body: dict[str, Any]) -> None:
        now, until = timezone.now(), body.get("until")
        if "for" in body:
            until = now + actions.SNOOZES[body["for"]]
        actions.act(
            incident, body["action"], author=self.author, now=now, text=body["text"], until=until
        )


class SilencesQuery(serializers.Serializer[Any]):
    """Query of /silences."""

    past = serializers.BooleanField(default=False, help_text="true: those that have ended.")


class SilenceAnswer(serializers.ModelSerializer[Silence]):
    """A silence. An empty matcher matches everything."""

    class Meta:
        model = Silence
        fields = [
            "id", "rule", "severity", "node", "subject", "starts_at", "ends_at", "reason", "author",
        ]  # fmt: skip


class SilencesAnswer(serializers.Serializer[Any]):
    """Silences, the first to end first."""

    silences = SilenceAnswer(many=True)


class SilenceBody(serializers.Serializer[Any]):
    """A new silence. In `node` and `subject`, `*` stands for any text."""

    rule = serializers.CharField(max_length=64, default="", allow_blank=True)
    severity = serializers.ChoiceField(choices=Severity.values, default="", allow_blank=True)
    node = serializers.CharField(max_length=64, default="", allow_blank=True)
    subject = serializers.CharField(max_length=MAX_SUBJECT_CHARS, default="", allow_blank=True)
    ends_at = AwareTimeField()
    reason = serializers.CharField(max_length=MAX_WORDS_CHARS)


class SilencesView(OperatorView):
    """Silences: who may read reads them, operators make them."""

    @extend_schema(
        parameters=[SilencesQuery],
        responses={200: SilencesAnswer, **REFUSALS},
        summary="Silences",
        operation_id="v1_silences_list",
    )
    def get(self, request: Request) -> Response:
        is_past = parse_query(SilencesQuery, request)["past"]
        rows = queries.silences(timezone.now(), is_past=is_past)
        return Response({"silences": SilenceAnswer(rows, many=True).data})

    @extend_schema(
        request=SilenceBody, responses={201: SilenceAnswer, **REFUSALS}, summary="Silence"
    )
    def post(self, request: Request) -> Response:
        body = self.parse(SilenceBody)
        with act():
            row = actions.silence(**body, author=self.author, now=timezone.now())
            self.audit(row, f"Silenced {row}: {row.reason}")
        return Response(SilenceAnswer(row).data, status=201)


class SilenceView(OperatorView):
    """One silence: who may read reads it, operators end it."""

    @extend_schema(responses={200: SilenceAnswer, **REFUSALS, **NOT_FOUND}, summary="Silence")
    def get(self, request: Request, pk: int) -> Response:
        return Response(SilenceAnswer(self._find(pk)).data)

    @extend_schema(responses={200: SilenceAnswer, **REFUSALS, **NOT_FOUND}, summary="End a silence")
    def delete(self, request: Request, pk: int) -> Response:
        row = self._find(pk)
        with act():
            self.audit(row, "Ended.")
            actions.end_silence(row, now=timezone.now())
        return self.get(request, pk)

    def _find(self, pk: int) -> Silence:
        row = Silence.objects.filter(pk=pk).first()
        if row is None:
            raise Http404
        return row
