"""Headline, rows and timeline of the pages of incidents. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from server.alerts.evidence.queries import Evidence
from server.alerts.evidence.series import Mark, find_events_span, find_span
from server.alerts.models import Alert, Incident, IncidentNote, OutboxNotification, State
from server.alerts.present.standing import describe_attention
from server.alerts.queries import IncidentDetail
from server.dashboard.pages.events.search import param_name
from server.dashboard.shell.lists.links import events_href
from server.formats import duration, thousands

VERBS = {
    State.FIRING: "fires",
    State.OK: "is over",
    State.PENDING: "may fire",
    State.RECOVERING: "recovers",
    State.NO_DATA: "has no data",
}
#: The same as marks in the chart.
MARKS = {
    State.PENDING: "began",
    State.FIRING: "fired",
    State.OK: "all-clear",
    State.RECOVERING: "recovers",
    State.NO_DATA: "no data",
}


@dataclass(frozen=True)
class Row:
    """An incident in the list. `state`: who looks after it, or until when it is snoozed."""

    incident: Incident
    level: str
    state: str
    lasted: str


@dataclass(frozen=True)
class Moment:
    """Something that happened: a flip, a note, a notification. `level`: of its sign."""

    at: datetime
    level: str
    who: str
    text: str


def build_headline(rows: Sequence[Row], old: str = "") -> tuple[str, str]:
    """Return level and sentence of the open incidents. `old`: the age of the last round, where it
    is too old to judge by."""
    if old:
        level, text = build_headline(rows) if rows else ("warning", "No incident was open.")
        return level, f"The last round over the rules was {old} ago. {text}"
    if not rows:
        return "ok", "Nothing is wrong: no incident is open."
    waiting = [row for row in rows if not row.state]
    critical = sum(row.level == "critical" for row in rows)
    text = f"{thousands(len(rows))} open {'incident' if len(rows) == 1 else 'incidents'}"
    if critical:
        text += f", {critical} critical"
    if not waiting:
        return "warning", f"{text}; somebody looks after each."
    level = "critical" if any(row.level == "critical" for row in waiting) else "warning"
    return level, f"{text}; nobody has acknowledged {len(waiting)}."


def build_rows(incidents: Iterable[Incident], now: datetime) -> list[Row]:
    return [
        Row(
            incident,
            incident.severity if incident.ended_at is None else "none",
            describe_attention(incident, now),
            duration(((incident.ended_at or now) - incident.started_at).total_seconds()),
        )
        for incident in incidents
    ]


def build_events_link(
    alert: Alert, filters: Mapping[str, str], carried: Mapping[str, str], now: datetime
) -> str:
    """Return where the events behind an alert are listed; empty where no event is behind it."""
    if not filters:
        return ""
    start, end = find_events_span(alert, now)
    times = {"from": start.isoformat(), "to": end.isoformat()}
    kept = {name: value for name, value in carried.items() if name not in {"range", *times}}
    named = {param_name(name): value for name, value in filters.items()}
    return events_href({**kept, **times}, **named)


def build_evidence(alert: Alert, evidence: Evidence | None, now: datetime) -> dict[str, Any]:
    """Return the chart of an alert's metric as the page's script takes it, without points where no
    figure is kept."""
    if evidence is None:
        span = find_span(alert, now)
        times = {"start": span.start.isoformat(), "end": span.end.isoformat(), "width_s": 60}
        return {"label": "", "unit": "", **times, "points": [], "marks": [], "levels": []}
    return {
        "label": evidence.metric.label,
        "unit": evidence.metric.unit,
        "start": evidence.buckets.start.isoformat(),
        "end": evidence.buckets.end.isoformat(),
        "width_s": evidence.buckets.width.total_seconds(),
        "points": [[at.isoformat(), value] for at, value in evidence.points],
        "marks": [_build_mark(alert, mark) for mark in evidence.marks],
        "levels": list(_build_levels(alert, evidence)),
    }


def _build_mark(alert: Alert, mark: Mark) -> dict[str, str]:
    text = MARKS.get(State(mark.state), mark.state)
    level = find_level(alert, mark.state)
    return {"at": mark.at.isoformat(), "text": text, "level": level}


def _build_levels(alert: Alert, evidence: Evidence) -> Iterator[dict[str, Any]]:
    if evidence.threshold is not None:
        yield {"value": evidence.threshold, "text": "fires", "level": alert.severity}
    if evidence.clear is not None and evidence.clear != evidence.threshold:
        yield {"value": evidence.clear, "text": "ends", "level": "ok"}


def build_timeline(detail: IncidentDetail) -> list[Moment]:
    """Return what happened, the newest first."""
    moments = [
        Moment(
            flip.at,
            find_level(flip.alert, flip.to_state),
            flip.alert.subject,
            f"{VERBS.get(State(flip.to_state), flip.to_state)}: {flip.text or flip.alert.text}"
            if flip.from_state != flip.to_state
            else f"notifications: {flip.get_suppression_display() or 'on again'}",
        )
        for flip in detail.transitions
    ]
    moments += [_build_note(note) for note in detail.notes]
    moments += [_build_notification(row) for row in detail.notifications]
    return sorted(moments, key=lambda moment: moment.at, reverse=True)


def build_silence_query(alerts: Sequence[Alert]) -> str:
    """Return the query of a silence of what these alerts have in common."""
    common = {
        name: values.pop()
        for name in ("rule", "node", "subject")
        if len(values := {str(getattr(alert, name)) for alert in alerts}) == 1
    }
    return urlencode({name: value for name, value in common.items() if value})


def find_level(alert: Alert, state: str) -> str:
    """Return the level of an alert in a state."""
    if state == State.OK:
        return "ok"
    return alert.severity if state == State.FIRING else "none"


def _build_note(note: IncidentNote) -> Moment:
    text = f"{note.get_kind_display()}: {note.text}" if note.text else note.get_kind_display()
    return Moment(note.at, "none", note.author, text)


def _build_notification(row: OutboxNotification) -> Moment:
    text = f"{row.get_kind_display()}, {row.get_state_display()}"
    if row.attempts_count > 1:
        text += f" after {row.attempts_count} attempts"
    if row.last_error:
        text += f": {row.last_error}"
    level = "critical" if row.state == OutboxNotification.Delivery.GIVEN_UP else "none"
    return Moment(row.sent_at or row.created_at, level, row.channel, text)
