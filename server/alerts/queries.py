"""Queries of alerts, incidents, silences and rules; the only reader for pages and the API."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    IntegerField,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
    Window,
)

from server.alerts.blocks.models import Block
from server.alerts.blocks.wording import describe as describe_block
from server.alerts.models import (
    Alert,
    AlertTransition,
    Incident,
    IncidentNote,
    OutboxNotification,
    RuleDefinition,
    Severity,
    Silence,
)
from server.alerts.present.standing import Standing, build_standing
from server.alerts.rules import build_entries, find_enabled
from server.timescale.rows import fetch_rows

#: What one answer holds at most.
MAX_ROWS = 500
#: Earlier incidents of the same cause and subject: how far back, and how many are listed.
SIMILAR_SPAN, MAX_SIMILAR = timedelta(days=90), 10
#: Incidents, and blocks, that are marks in charts.
MAX_HAPPENINGS = 100
_GRAVEST_FIRST = Case(
    When(severity=Severity.CRITICAL, then=Value(0)), default=Value(1), output_field=IntegerField()
)
#: Fields of what a page shows of open alerts, and of their incidents.
_ALERT = ("id", "rule", "severity", "kind", "subject", "node", "state", "since", "started_at",
          "fired_at", "value", "text", "suppression", "incident_id")  # fmt: skip
_INCIDENT = ("id", "severity", "text", "started_at", "acknowledged_at", "acknowledged_by",
             "snoozed_until")  # fmt: skip
#: Open alerts of a page, the gravest. More are only where hundreds of subjects have the same.
MAX_OPEN = 2_000
_STANDING = f"""SELECT e.started_at,
  CASE WHEN row_number() OVER (ORDER BY a.id) = 1
    THEN (SELECT jsonb_object_agg(name, fields)::text FROM alerts_ruledefinition) END,
  {", ".join(f"a.{name}" for name in _ALERT)},
  {", ".join(f"i.{name}" for name in _INCIDENT)}
FROM (SELECT 1) AS always
LEFT JOIN alerts_evaluation AS e ON true
LEFT JOIN (
  SELECT * FROM alerts_alert WHERE ended_at IS NULL
  ORDER BY severity <> 'critical', fired_at DESC NULLS LAST LIMIT {MAX_OPEN}
) AS a ON true
LEFT JOIN alerts_incident AS i ON i.id = a.incident_id
ORDER BY a.id"""  # noqa: S608 (names of the models)
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


def standing(now: datetime) -> Standing:
    """Return the alerts of the last round, when that was, and the rules in force; one query."""
    rows = fetch_rows(_STANDING)  # one at least, which has the definitions
    of_alerts = [row[2:] for row in rows if row[2] is not None]
    incidents: dict[int, Incident] = {}
    for row in of_alerts:
        number, *_ = values = row[len(_ALERT) :]
        if number is not None and number not in incidents:
            incidents[number] = Incident(**dict(zip(_INCIDENT, values, strict=True)))
    alerts = [Alert(**dict(zip(_ALERT, row, strict=False))) for row in of_alerts]
    for alert in alerts:
        if alert.incident_id is not None:
            alert.incident = incidents[alert.incident_id]
    defined = json.loads(rows[0][1] or "{}").items()
    entries = build_entries(RuleDefinition(name=name, fields=fields) for name, fields in defined)
    return build_standing(alerts, find_enabled(entries), now, evaluated_at=rows[0][0])


@dataclass(frozen=True)
class IncidentDetail:
    """An incident with all that belongs to it. `before`: the newest earlier incidents of the same
    cause and a subject of this one's in SIMILAR_SPAN; `before_count`: how many there were."""

    incident: Incident
    alerts: list[Alert]
    transitions: list[AlertTransition]
    notes: list[IncidentNote]
    notifications: list[OutboxNotification]
    before: list[Incident]
    before_count: int


def first_alert(incident_id: int) -> Alert | None:
    """Return the gravest and first alert of an incident, one that no other hides; one query."""
    return _alerts_of(incident_id).first()


def _alerts_of(incident_id: int) -> QuerySet[Alert]:
    rows = Alert.objects.filter(_HAS_FIRED, incident=incident_id)
    return rows.order_by(_GRAVEST_FIRST, F("inhibited_by").asc(nulls_first=True), "pk")


def incident_detail(incident_id: int) -> IncidentDetail:
    """Return one incident; six queries. Raises Incident.DoesNotExist."""
    incident = Incident.objects.get(pk=incident_id)
    transitions = AlertTransition.objects.filter(alert__incident=incident).select_related("alert")
    rows = list(_alerts_of(incident_id)[:MAX_ROWS])
    before = _similar(incident, {alert.subject for alert in rows})
    return IncidentDetail(
        incident,
        rows,
        sorted(transitions.order_by("-at", "-pk")[:MAX_ROWS], key=lambda one: (one.at, one.pk)),
        list(incident.notes.all()[:MAX_ROWS]),
        list(incident.notifications.order_by("-created_at", "-pk")[:MAX_ROWS]),
        before,
        before[0].similar_count if before else 0,
    )


def _similar(incident: Incident, subjects: Collection[str]) -> list[Any]:
    """Return the newest earlier incidents of the same cause and a subject, with `similar_count`."""
    of_subject = Alert.objects.filter(_HAS_FIRED, incident=OuterRef("pk"), subject__in=subjects)
    rows = Incident.objects.filter(
        Exists(of_subject),
        cause=incident.cause,
        started_at__lt=incident.started_at,
        started_at__gte=incident.started_at - SIMILAR_SPAN,
        merged_into=None,
    )
    rows = rows.annotate(alerts_count=Count("alerts"), similar_count=Window(Count("*")))
    return list(rows.order_by("-started_at")[:MAX_SIMILAR])


@dataclass(frozen=True)
class Happening:
    """An incident or a block as a mark in charts. `node`: of an incident that is of one alone."""

    kind: str
    number: int
    severity: str
    text: str
    at: datetime
    ended_at: datetime | None
    node: str = ""


def happenings(
    start: datetime, end: datetime, *, node: str | None = None, name: str | None = None
) -> list[Happening]:
    """Return the incidents and blocks that began or ended in [start, end), of each the newest
    MAX_HAPPENINGS; two queries. Of one node: its incidents. `name`: those of one subject or
    provider alone."""
    in_range = Q(started_at__gte=start) | Q(ended_at__gte=start)
    of_alerts = Alert.objects.filter(_HAS_FIRED, incident=OuterRef("pk"))
    rows = Incident.objects.filter(in_range, started_at__lt=end, merged_into=None)
    if node is not None:
        rows = rows.filter(Exists(of_alerts.filter(node=node)))
    if name is not None:
        rows = rows.filter(Exists(of_alerts.filter(_is_of(name))))
    rows = rows.annotate(first=Min("alerts__node"), last=Max("alerts__node"))
    incidents_found = [
        Happening(
            "incident", row.pk, row.severity, row.text, row.started_at, row.ended_at,
            row.first if row.first and row.first == row.last else "",
        )
        for row in rows.order_by("-started_at")[:MAX_HAPPENINGS]
    ]  # fmt: skip
    if node is not None:
        return incidents_found
    blocks = Block.objects.filter(in_range, started_at__lt=end)
    if name is not None:
        blocks = blocks.filter(Q(provider=name) | Q(subject=name))
    return incidents_found + [
        Happening("block", row.pk, "critical", describe_block(row), row.started_at, row.ended_at)
        for row in blocks.order_by("-started_at")[:MAX_HAPPENINGS]
    ]


def _is_of(name: str) -> Q:
    """Return the condition of alerts of a subject, or of the blocks of a provider."""
    return Q(subject=name) | Q(kind="block", subject__startswith=f"{name} ")


def silences(now: datetime, *, is_past: bool = False) -> QuerySet[Silence]:
    """Return the silences that have not ended, or those that have."""
    if is_past:
        return Silence.objects.filter(ends_at__lte=now).order_by("-ends_at")[:MAX_ROWS]
    return Silence.objects.filter(ends_at__gt=now).order_by("ends_at")[:MAX_ROWS]
