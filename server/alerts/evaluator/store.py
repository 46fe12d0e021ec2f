"""Storage of a round: the only writer of alerts, flips and incidents. Few statements, however many
rows."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

from server.alerts.models import (
    Alert,
    AlertTransition,
    Incident,
    OutboxNotification,
    RuleChange,
    Silence,
)

_UPDATE_ALERTS = """UPDATE alerts_alert AS a SET severity = r.severity, state = r.state,
  since = r.since, fired_at = r.fired_at, ended_at = r.ended_at, value = r.value, text = r.text,
  evidence = r.evidence, incident_id = r.incident_id, inhibited_by_id = r.inhibited_by_id,
  suppression = r.suppression, notified_at = r.notified_at
FROM jsonb_to_recordset(%s::jsonb) AS r (id bigint, severity text, state text, since timestamptz,
  fired_at timestamptz, ended_at timestamptz, value float, text text, evidence jsonb,
  incident_id bigint, inhibited_by_id bigint, suppression text, notified_at timestamptz)
WHERE a.id = r.id"""
_ALERT_FIELDS = (
    "id", "severity", "state", "since", "fired_at", "ended_at", "value", "text", "evidence",
    "incident_id", "inhibited_by_id", "suppression", "notified_at",
)  # fmt: skip
_UPDATE_INCIDENTS = """UPDATE alerts_incident AS i SET severity = r.severity, text = r.text,
  joined_at = r.joined_at, ended_at = r.ended_at, merged_into_id = r.merged_into_id
FROM jsonb_to_recordset(%s::jsonb) AS r (id bigint, severity text, text text,
  joined_at timestamptz, ended_at timestamptz, merged_into_id bigint)
WHERE i.id = r.id"""
# What people write, acknowledgements and snoozes, is not in it: they write while a round runs.
_INCIDENT_FIELDS = ("id", "severity", "text", "joined_at", "ended_at", "merged_into_id")


def add_incidents(incidents: Sequence[Incident]) -> None:
    if incidents:
        Incident.objects.bulk_create(incidents)


def update_incidents(incidents: Iterable[Incident]) -> None:
    _update(_UPDATE_INCIDENTS, _INCIDENT_FIELDS, incidents)


def add_alerts(alerts: Sequence[Alert]) -> None:
    """Store new alerts; they know their ids afterwards."""
    if alerts:
        Alert.objects.bulk_create(alerts)


def update_alerts(alerts: Iterable[Alert]) -> None:
    _update(_UPDATE_ALERTS, _ALERT_FIELDS, alerts)


def delete_alerts(alerts: Iterable[Alert]) -> None:
    """Delete alerts that ended without having fired: nobody will look for them."""
    ids = [alert.pk for alert in alerts]
    if ids:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM alerts_alert WHERE id = ANY(%s)", [ids])


def add_transitions(transitions: Sequence[AlertTransition]) -> None:
    if transitions:
        AlertTransition.objects.bulk_create(transitions)


def _update(statement: str, fields: Sequence[str], rows: Iterable[Any]) -> None:
    values = [{field: getattr(row, field) for field in fields} for row in rows]
    if values:
        with connection.cursor() as cursor:
            cursor.execute(statement, [json.dumps(values, cls=DjangoJSONEncoder)])


def delete_old(now: datetime) -> int:
    """Delete what ended before its retention, with its history, notifications and attempts;
    return how many alerts. Tests of channels are of no alert."""
    before = now - timedelta(days=settings.ALERTS_RETENTION_DAYS)
    _, counts = Alert.objects.filter(ended_at__lt=before).delete()
    Incident.objects.filter(ended_at__lt=before, alerts=None).delete()
    Silence.objects.filter(ends_at__lt=before).delete()
    OutboxNotification.objects.filter(transition=None, created_at__lt=before).delete()
    RuleChange.objects.filter(at__lt=before).delete()
    return counts.get("alerts.Alert", 0)
