"""/alerts: what fires, and what fired."""

from typing import Any

from rest_framework import serializers

from server.alerts import queries
from server.alerts.models import Alert, Severity, State
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
