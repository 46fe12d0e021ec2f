"""Evaluator: a round over all rules in one transaction, by one process at a time.

Whoever has the advisory lock of a transaction runs the round; nobody holds it between rounds, so
when a process dies the next one that looks goes on. A round that dies leaves nothing behind.
"""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from server.alerts.conditions.condition import Rule
from server.alerts.evaluator import store
from server.alerts.evaluator.causes import find_causes, find_suppression, is_active
from server.alerts.evaluator.evaluation import Outcome, describe_end, evaluate
from server.alerts.evaluator.gathering import take_snapshot
from server.alerts.evaluator.incidents import group
from server.alerts.models import (
    Alert,
    AlertTransition,
    Evaluation,
    Incident,
    MutedRule,
    OutboxNotification,
    Silence,
    State,
)
from server.alerts.notifications.decisions import Flip, Route, decide_notifications
from server.alerts.notifications.outbox import add_rows, build_row
from server.alerts.notifications.queries import read_routes
from server.alerts.rules import find_enabled, read_rules
from server.alerts.snapshot import Snapshot
from server.observability.backlog import Backlog, read_backlog

logger = logging.getLogger(__name__)

EVERY = timedelta(seconds=15)
#: A round is due so much before its time, as processes look every few seconds.
TOLERANCE = timedelta(seconds=1)
#: Rounds further apart than this had a gap between them, in which nobody watched.
MAX_GAP = timedelta(seconds=60)
#: Any number; the same in all processes, and no other advisory lock's.
LOCK = 0x6D616C6C
TRY_LOCK = "SELECT pg_try_advisory_xact_lock(%s)"
#: A statement of a round that takes longer ends it, and the next round tries again.
STATEMENT_TIMEOUT_S = 10
#: The figures of alerts that stay as they are are stored every so many rounds; in each round those
#: of some alerts, so that no round takes much longer than the others.
ROUNDS_BETWEEN_FIGURES = 4


@dataclass(frozen=True)
class Round:
    """A round that was run: how long it took, its queries, the flips, the notifications decided."""

    at: datetime
    duration_ms: float
    queries_count: int
    flips_count: int
    notifications_count: int
    failures: dict[str, str]


def run_if_due(now: datetime | None = None) -> Round | None:
    """Run a round if none was begun lately and no other process runs one. Raises django.db.Error.

    One query where there is nothing to do.
    """
    started_at = Evaluation.objects.values_list("started_at", flat=True).first()
    if started_at is not None and not _is_due(started_at, now or timezone.now()):
        return None
    backlog = read_backlog()  # before the transaction: Redis may not answer for seconds
    return run_round(now or timezone.now(), backlog=backlog)


def _is_due(started_at: datetime, now: datetime) -> bool:
    """Return whether it is time. A round that lies ahead was begun before a clock was set back."""
    return not timedelta() <= now - started_at < EVERY - TOLERANCE


def run_round(now: datetime, *, backlog: Backlog, is_forced: bool = False) -> Round | None:
    """Evaluate all rules, store the flips and decide their notifications, in one transaction.

    Returns None where another process has the lock, or was quicker.
    """
    began = perf_counter()
    counter = _QueryCounter()
    with transaction.atomic(), connection.execute_wrapper(counter):
        with connection.cursor() as cursor:
            cursor.execute(TRY_LOCK, [LOCK])
            if not cursor.fetchone()[0]:
                return None
            cursor.execute(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT_S}s'")
        evaluation = Evaluation.objects.first() or Evaluation(started_at=now, resumed_at=now)
        if evaluation.pk and not is_forced and not _is_due(evaluation.started_at, now):
            return None
        if not timedelta() <= now - evaluation.started_at <= MAX_GAP:
            evaluation.resumed_at = now
        snapshot = take_snapshot(now, backlog=backlog, resumed_at=evaluation.resumed_at)
        flips, notifications, failures = _apply(snapshot, evaluation.rounds_count)
        evaluation.started_at = now
        evaluation.rounds_count += 1
        evaluation.failures = failures
        evaluation.evaluator = f"{os.uname().nodename}-{os.getpid()}"
        evaluation.queries_count = counter.count + 1
        evaluation.duration_ms = (perf_counter() - began) * 1_000
        evaluation.save()
    return Round(now, evaluation.duration_ms, counter.count, flips, notifications, failures)


def _apply(snapshot: Snapshot, number: int) -> tuple[int, int, dict[str, str]]:
    """Evaluate, group, and store what changed in the round of this number. Returns the numbers of
    flips and notifications, and the rules that failed."""
    now = snapshot.now
    entries = read_rules()
    rules = find_enabled(entries)
    incidents = {each.pk: each for each in Incident.objects.filter(ended_at=None)}
    known = list(Alert.objects.filter(ended_at=None).order_by("pk"))
    stored = {alert.pk: (_stored_fields(alert), _figures(alert)) for alert in known}
    for alert in known:
        if alert.incident_id is not None:
            alert.incident = incidents.get(alert.incident_id)
    evaluated = evaluate(rules.values(), snapshot, known)
    if evaluated.cut:
        logger.warning("%d subjects are more than a rule follows", evaluated.cut)
    new = [outcome.alert for outcome in evaluated.outcomes if outcome.alert.pk is None]
    alerts = [*known, *new]
    causes = find_causes(alerts, rules)
    grouping = group(alerts, incidents.values(), causes, rules, now)
    changed = _suppress(alerts, causes, snapshot)

    store.add_incidents(grouping.new)
    # New incidents have their ids by now: those who refer to them take them over.
    for alert in alerts:
        if alert.incident_id is None and alert.incident:
            alert.incident = alert.incident
    for incident in grouping.changed:
        incident.merged_into = incident.merged_into
    new = [alert for alert in new if alert.ended_at is None]
    store.add_alerts(new)
    for alert in alerts:
        cause = causes.get(id(alert))
        alert.inhibited_by_id = cause.pk if cause else None
    store.update_incidents(grouping.changed)
    transitions = _flips(evaluated.outcomes, changed, rules, now)
    store.add_transitions(transitions)
    notifications = _decide(transitions, read_routes(), now)
    add_rows(notifications)
    kept = [a for a in alerts if a.ended_at is None or a.fired_at is not None]
    store.update_alerts(a for a in kept if _is_changed(a, stored.get(a.pk), number))
    store.delete_alerts(a for a in known if a.ended_at is not None and a.fired_at is None)
    unread = {name: entry.problem for name, entry in entries.items() if entry.problem}
    return len(transitions), len(notifications), unread | evaluated.failures


def _stored_fields(alert: Alert) -> tuple[Any, ...]:
    return (
        alert.state, alert.severity, alert.since, alert.incident_id, alert.inhibited_by_id,
        alert.suppression, alert.notified_at, alert.ended_at,
    )  # fmt: skip


def _figures(alert: Alert) -> tuple[Any, ...]:
    return alert.value, alert.text, alert.evidence


def _is_changed(alert: Alert, stored: tuple[Any, Any] | None, number: int) -> bool:
    """Return whether an alert must be stored: its state, or the figures of one that fires. A new
    one is stored, but for who hides it and its notification."""
    if stored is None:
        return alert.inhibited_by_id is not None or alert.notified_at is not None
    fields, figures = stored
    if _stored_fields(alert) != fields:
        return True
    is_its_turn = (alert.pk + number) % ROUNDS_BETWEEN_FIGURES == 0
    return is_its_turn and is_active(alert) and _figures(alert) != figures


def _suppress(alerts: Sequence[Alert], causes: dict[int, Alert], snapshot: Snapshot) -> list[Alert]:
    """Bring the suppression of the alerts up to date; return those in which it changed."""
    muted = set(MutedRule.objects.values_list("rule", flat=True))
    silences = list(Silence.objects.filter(starts_at__lte=snapshot.now, ends_at__gt=snapshot.now))
    in_maintenance = {node.name for node in snapshot.nodes.values() if node.in_maintenance}
    changed = []
    for alert in filter(is_active, alerts):
        suppression = find_suppression(
            alert,
            cause=causes.get(id(alert)),
            muted=muted,
            in_maintenance=in_maintenance,
            silences=silences,
            snoozed_until=alert.incident.snoozed_until if alert.incident else None,
            now=snapshot.now,
        )
        if suppression != alert.suppression:
            alert.suppression = suppression
            changed.append(alert)
    return changed


def _flips(
    outcomes: Sequence[Outcome],
    changed: Sequence[Alert],
    rules: Mapping[str, Rule],
    now: datetime,
) -> list[AlertTransition]:
    """Return the history of this round: flips, and what is suppressed or not any more."""
    news = [(o.alert, o.before.state) for o in outcomes if o.is_news]
    flipped = {id(alert) for alert, _ in news}
    news += [(alert, State(alert.state)) for alert in changed if id(alert) not in flipped]
    return [
        AlertTransition(
            alert=alert,
            at=now,
            from_state=before,
            to_state=alert.state,
            suppression=alert.suppression,
            value=alert.value,
            text=describe_end(alert, rules.get(alert.rule)) if alert.ended_at else alert.text,
            evidence=alert.evidence,
        )
        for alert, before in news
    ]


def _decide(
    transitions: Sequence[AlertTransition], routes: Sequence[Route], now: datetime
) -> list[OutboxNotification]:
    """Return the notifications of the flips, and mark their alerts as notified."""
    notifications = []
    for transition in transitions:
        alert = transition.alert
        drafts = decide_notifications(_flip(transition), routes)
        notifications += [
            build_row(draft, now, transition=transition, incident=alert.incident)
            for draft in drafts
        ]
        if drafts and alert.notified_at is None:
            alert.notified_at = now
    return notifications


def _flip(transition: AlertTransition) -> Flip:
    alert = transition.alert
    return Flip(
        alert_id=alert.pk,
        rule=alert.rule,
        severity=alert.severity,
        kind=alert.kind,
        subject=alert.subject,
        node=alert.node,
        at=transition.at,
        to_state=transition.to_state,
        suppression=transition.suppression,
        was_notified=alert.notified_at is not None,
    )


class _QueryCounter:
    """Counts the statements of a round."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, execute: Callable[..., Any], *args: Any) -> Any:
        self.count += 1
        return execute(*args)
