"""Incidents: alerts grouped by cause and time. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from server.alerts.conditions.condition import Rule
from server.alerts.evaluator.causes import is_active
from server.alerts.models import MAX_TEXT_CHARS, Alert, Incident, Severity

#: Alerts of one condition that follow each other within this are one incident.
GROUP_SPAN = timedelta(minutes=5)


@dataclass
class Grouping:
    """Incidents of a round. `merged`: incidents whose alerts all went to the incident of their
    cause."""

    new: list[Incident] = field(default_factory=list)
    changed: list[Incident] = field(default_factory=list)
    merged: list[tuple[Incident, Incident]] = field(default_factory=list)


def group(
    alerts: Sequence[Alert],
    incidents: Iterable[Incident],
    causes: Mapping[int, Alert],
    rules: Mapping[str, Rule],
    now: datetime,
) -> Grouping:
    """Give each active alert its incident, and bring the incidents up to date. Changes both.

    `alerts`: those open before the round, with the ended; `incidents`: those open before it.
    """
    grouping = Grouping()
    open_incidents = [incident for incident in incidents if incident.ended_at is None]
    active = sorted(filter(is_active, alerts), key=lambda one: id(one) in causes)
    by_subject = {_subject(alert, rules): alert.incident for alert in active if alert.incident}
    for alert in active:
        if id(alert) not in causes and alert.incident is None:
            alert.incident = by_subject.get(_subject(alert, rules)) or _find_recent(
                rules[alert.rule].condition.name, open_incidents, now
            )
            if alert.incident is None:
                alert.incident = _open(alert, rules, now)
                open_incidents.append(alert.incident)
                grouping.new.append(alert.incident)
            alert.incident.joined_at = now
    for alert in active:
        cause = causes.get(id(alert))
        if cause is not None and alert.incident is not cause.incident:
            left, alert.incident = alert.incident, cause.incident
            if left is not None and cause.incident is not None:
                grouping.merged.append((left, cause.incident))
    _update(grouping, open_incidents, active, causes, now)
    return grouping


def _subject(alert: Alert, rules: Mapping[str, Rule]) -> tuple[str, str, str]:
    """Return what alerts of one subject and condition have in common."""
    return rules[alert.rule].condition.name, alert.kind, alert.subject


def _find_recent(condition: str, incidents: Iterable[Incident], now: datetime) -> Incident | None:
    """Return the open incident of a condition that began, or grew, just now."""
    for incident in incidents:
        if incident.cause == condition and now - incident.joined_at <= GROUP_SPAN:
            return incident
    return None


def _open(alert: Alert, rules: Mapping[str, Rule], now: datetime) -> Incident:
    return Incident(
        cause=rules[alert.rule].condition.name,
        severity=alert.severity,
        text=alert.text,
        started_at=alert.fired_at or now,
        joined_at=now,
    )


def _update(
    grouping: Grouping,
    incidents: Iterable[Incident],
    active: Iterable[Alert],
    causes: Mapping[int, Alert],
    now: datetime,
) -> None:
    """End the incidents without an active alert; bring severity and sentence of others up to
    date. An incident does not become less severe while it lasts."""
    members: dict[int, list[Alert]] = {}
    for alert in active:
        members.setdefault(id(alert.incident), []).append(alert)
    merged = {id(left): into for left, into in grouping.merged}
    for incident in incidents:
        before = (incident.severity, incident.text, incident.ended_at, incident.joined_at)
        own = [a for a in members.get(id(incident), ()) if id(a) not in causes]
        if id(incident) not in members:
            incident.ended_at, incident.merged_into = now, merged.get(id(incident))
        elif own:
            if any(alert.severity == Severity.CRITICAL for alert in own):
                incident.severity = Severity.CRITICAL
            incident.text = describe(own)
        after = (incident.severity, incident.text, incident.ended_at, incident.joined_at)
        if (after != before or incident.joined_at == now) and incident not in grouping.new:
            grouping.changed.append(incident)


def describe(alerts: Sequence[Alert]) -> str:
    """Return the sentence of an incident: its gravest and first alert, and how many more."""
    first = min(
        alerts,
        key=lambda one: (one.severity != Severity.CRITICAL, one.fired_at or one.since, one.subject),
    )
    more = f" (and {len(alerts) - 1} more)" if len(alerts) > 1 else ""
    return first.text[: MAX_TEXT_CHARS - len(more)] + more
