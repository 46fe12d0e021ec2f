"""Queries of alerts, incidents, silences and rules; the only reader for pages and the API."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, Count, F, IntegerField, Q, QuerySet, Value, When

from server.alerts.models import (
    Alert,
    AlertTransition,
    Incident,
    IncidentNote,
    MutedRule,
    OutboxNotification,
    Severity,
    Silence,
)
from server.alerts.rules import active_rules

#: What one answer holds at most.
MAX_ROWS = 500
_GRAVEST_FIRST = Case(
    When(severity=Severity.CRITICAL, then=Value(0)), default=Value(1), output_field=IntegerField()
)
#: Of the alerts of an incident: those that count for it, and those hidden under them.
_HAS_FIRED = Q(fired_at__isnull=False)


def alerts(
    *,
    is_open: bool = True,
    state: str = "",
    severity: str = "",
    rule: str = "",
    node: str = "",
    limit: int = MAX_ROWS,
) -> list[Alert]:
    """Return alerts, the gravest and newest first; one query. `is_open`: else those that ended."""
    wanted = {"state": state, "severity": severity, "rule": rule, "node": node}
    rows = Alert.objects.filter(ended_at__isnull=is_open)
    rows = rows.filter(**{name: value for name, value in wanted.items() if value})
    return list(rows.order_by(_GRAVEST_FIRST, "-started_at", "-pk")[:limit])


def incidents(*, is_open: bool = True, limit: int = MAX_ROWS) -> list[Incident]:
    """Return incidents with `alerts_count`: open ones by severity, ended ones the newest first.

    One query. Those that were merged into another are that one's.
    """
    rows = Incident.objects.filter(ended_at__isnull=is_open, merged_into=None)
    rows = rows.annotate(alerts_count=Count("alerts"))
    order = [_GRAVEST_FIRST, "-started_at"] if is_open else ["-ended_at", "-pk"]
    return list(rows.order_by(*order)[:limit])


@dataclass(frozen=True)
class IncidentDetail:
    """An incident with all that belongs to it. `before`: earlier incidents of the same cause."""

    incident: Incident
    alerts: list[Alert]
    transitions: list[AlertTransition]
    notes: list[IncidentNote]
    notifications: list[OutboxNotification]
    before: list[Incident]


def incident_detail(incident_id: int) -> IncidentDetail:
    """Return one incident; six queries. Raises Incident.DoesNotExist."""
    incident = Incident.objects.get(pk=incident_id)
    rows = Alert.objects.filter(_HAS_FIRED, incident=incident)
    transitions = AlertTransition.objects.filter(alert__incident=incident).select_related("alert")
    before = Incident.objects.filter(
        cause=incident.cause, started_at__lt=incident.started_at, merged_into=None
    )
    return IncidentDetail(
        incident,
        list(
            rows.order_by(_GRAVEST_FIRST, F("inhibited_by").asc(nulls_first=True), "pk")[:MAX_ROWS]
        ),
        sorted(transitions.order_by("-at", "-pk")[:MAX_ROWS], key=lambda one: (one.at, one.pk)),
        list(incident.notes.all()[:MAX_ROWS]),
        list(incident.notifications.order_by("-created_at", "-pk")[:MAX_ROWS]),
        list(before.order_by("-started_at")[:10]),
    )


def silences(now: datetime, *, is_past: bool = False) -> QuerySet[Silence]:
    """Return the silences that have not ended, or those that have."""
    if is_past:
        return Silence.objects.filter(ends_at__lte=now).order_by("-ends_at")[:MAX_ROWS]
    return Silence.objects.filter(ends_at__gt=now).order_by("ends_at")[:MAX_ROWS]


def muted_rules() -> dict[str, MutedRule]:
    """Return name → mute of the rules that are muted and still there."""
    names = list(active_rules())
    return {mute.rule: mute for mute in MutedRule.objects.filter(rule__in=names)}
