"""Planning of what is sent later: escalations, repetitions, and all-clears of the escalated."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q

from server.alerts.models import Alert, OutboxNotification, Severity, State
from server.alerts.notifications.decisions import Draft, Kind, make_key
from server.alerts.notifications.escalation import OpenAlert, escalate
from server.alerts.notifications.outbox import add_rows, build_row
from server.alerts.notifications.queries import read_plans

#: Alerts that ended longer ago have had their all-clear.
ENDED_WITHIN = timedelta(hours=1)


def plan_notifications(now: datetime) -> int:
    """Store what is due by now beyond the first step of each route; return how many rows are due.

    Safe to run twice, also at once: a row that is there already stays as it is.
    """
    drafts = [*escalate(_read_open(), read_plans(), now), *_find_missing_all_clears(now)]
    rows = [
        build_row(draft, now, transition_id=alert.transition_id, incident_id=alert.incident_id)
        for alert, draft in drafts
    ]
    add_rows(rows)
    return len(rows)


def _read_open() -> list[OpenAlert]:
    """Return the critical alerts that were notified and that nobody has acknowledged. One query."""
    rows = (
        OutboxNotification.objects.filter(
            kind=Kind.FIRING,
            transition__alert__severity=Severity.CRITICAL,
            transition__alert__state__in=[State.FIRING, State.NO_DATA],
            transition__alert__ended_at=None,
            transition__alert__suppression="",
        )
        .filter(Q(incident=None) | Q(incident__acknowledged_at=None))
        .values_list("transition__alert_id", "transition_id", "incident_id", "created_at", "route")
    )
    routes: dict[tuple[int, int, int | None, datetime], list[str]] = defaultdict(list)
    for alert, transition, incident, at, route in rows:
        routes[alert, transition, incident, at].append(route)
    return [OpenAlert(*key, tuple(dict.fromkeys(names))) for key, names in routes.items()]


def _find_missing_all_clears(now: datetime) -> Iterable[tuple[OpenAlert, Draft]]:
    """Yield the all-clears of escalated alerts: the flip knows the first step alone."""
    ended = Alert.objects.filter(ended_at__gt=now - ENDED_WITHIN, notified_at__isnull=False)
    rows = (
        OutboxNotification.objects.filter(transition__alert__in=ended, kind=Kind.ESCALATED)
        .select_related("transition__alert")
        .order_by("pk")
    )
    for row in rows:
        flip = row.transition
        last = flip and flip.alert.transitions.filter(to_state=State.OK).last()
        if not (flip and last):
            continue
        key = make_key(flip.alert_id, Kind.RESOLVED, row.channel)
        alert = OpenAlert(flip.alert_id, last.pk, row.incident_id, row.created_at, (row.route,))
        yield alert, Draft(Kind.RESOLVED, row.route, row.channel, key)
