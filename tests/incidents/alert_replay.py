"""Replay of a cluster's history through rules, causes, incidents and decisions, without a database.

What the evaluator stores is kept in memory; all that judges is the server's own.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

from server.alerts.conditions.catalogue import DEFAULT_RULES
from server.alerts.conditions.condition import Rule
from server.alerts.evaluator.causes import find_causes, find_suppression, is_active
from server.alerts.evaluator.evaluation import Outcome, evaluate
from server.alerts.evaluator.incidents import group
from server.alerts.models import Alert, Severity, Suppression
from server.alerts.notifications.decisions import Draft, Flip, Kind, Route, decide_notifications
from server.alerts.snapshot import Snapshot
from tests.incidents.cluster import INCIDENTS, START, Cluster, Trouble, generate_troubles

ROUTES = (Route("all", ("pager",)),)
#: What is reported so long after an incident is still of it.
AFTERWARDS_S = 1_800.0
ALLOWED_FALSE_A_WEEK = 1.0


@dataclass
class Verdict:
    """`false`: critical notifications of no incident; `delays_s`: from the source, `for` apart."""

    days: float
    incidents: list[Trouble]
    false: list[str] = field(default_factory=list)
    duplicate: list[str] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)
    warnings_count: int = 0

    @property
    def missed(self) -> list[Trouble]:
        return [each for each in self.incidents if each.notified_at is None]

    @property
    def is_good(self) -> bool:
        allowed = max(1.0, self.days / 7 * ALLOWED_FALSE_A_WEEK)
        return not self.missed and not self.duplicate and len(self.false) <= allowed

    def as_json(self) -> dict[str, Any]:
        return {
            "incidents": len(self.incidents),
            "notified": len(self.incidents) - len(self.missed),
            "missed": len(self.missed),
            "false": len(self.false),
            "duplicate": len(self.duplicate),
        }

    def format_text(self) -> Iterable[str]:
        for each in self.missed:
            yield f"missed: {each.kind} {each.node} day {each.start / 86_400:.3f}"
        yield from (f"false: {each}" for each in self.false)
        yield from (f"twice: {each}" for each in self.duplicate)
        yield f"{self.warnings_count} warnings were notified beside them"


class Replay:
    """The alerts between rounds, and what was notified."""

    def __init__(self, verdict: Verdict) -> None:
        self._verdict = verdict
        self._rules: dict[str, Rule] = DEFAULT_RULES
        self._alerts: list[Alert] = []
        self._ids = count(1)
        self._keys: set[str] = set()

    def run_round(self, at_s: float, snapshot: Snapshot) -> None:
        evaluated = evaluate(self._rules.values(), snapshot, self._alerts)
        if evaluated.failures:
            raise AssertionError(evaluated.failures)
        alerts = [o.alert for o in evaluated.outcomes]
        for alert in alerts:
            alert.pk = alert.pk or next(self._ids)
        causes = find_causes(alerts, self._rules)
        incidents = {id(a.incident): a.incident for a in alerts if a.incident}
        group(alerts, incidents.values(), causes, self._rules, snapshot.now)
        before = {id(alert): alert.suppression for alert in alerts}
        _suppress(alerts, causes, snapshot)
        for outcome in evaluated.outcomes:
            alert = outcome.alert
            if outcome.is_news or before[id(alert)] != alert.suppression:
                self._decide(at_s, outcome)
        self._alerts = [alert for alert in alerts if alert.ended_at is None]

    def _decide(self, at_s: float, outcome: Outcome) -> None:
        alert = outcome.alert
        flip = Flip(
            alert.pk, alert.rule, alert.severity, alert.kind, alert.subject, alert.node,
            START + timedelta(seconds=at_s), alert.state, alert.suppression,
            was_notified=alert.notified_at is not None,
        )  # fmt: skip
        for draft in decide_notifications(flip, ROUTES):
            alert.notified_at = alert.notified_at or flip.at
            self._judge(at_s, alert, draft)

    def _judge(self, at_s: float, alert: Alert, draft: Draft) -> None:
        name = f"day {at_s / 86_400:.3f} {alert.rule} {alert.subject}"
        if draft.idempotency_key in self._keys:
            self._verdict.duplicate.append(name)
        self._keys.add(draft.idempotency_key)
        if draft.kind != Kind.FIRING:
            return
        if alert.severity != Severity.CRITICAL:
            self._verdict.warnings_count += 1
            return
        truth = self._find(at_s, alert)
        if truth is None:
            self._verdict.false.append(name)
            return
        if f"{alert.rule} {alert.subject}" in truth.keys:
            self._verdict.duplicate.append(name)
        truth.keys.append(f"{alert.rule} {alert.subject}")
        if truth.notified_at is None:
            truth.notified_at = at_s
            holds_s = INCIDENTS[truth.kind][1]
            if holds_s is not None:
                wait_s = holds_s + self._rules[alert.rule].values["for"]
                self._verdict.delays_s.append(at_s - truth.start - wait_s)

    def _find(self, at_s: float, alert: Alert) -> Trouble | None:
        for each in self._verdict.incidents:
            is_of_node = not each.node or alert.node == each.node
            is_then = each.start <= at_s <= each.end + AFTERWARDS_S
            if alert.rule in each.rules and is_of_node and is_then:
                return each
        return None


def replay(days: int, *, seed: int = 1) -> Verdict:
    """Replay so many days and judge who was notified of what."""
    chance = random.Random(seed)
    return replay_troubles(days, generate_troubles(days, chance), chance)


def replay_troubles(days: float, troubles: list[Trouble], chance: random.Random) -> Verdict:
    """Replay these troubles and judge who was notified of them."""
    verdict = Verdict(days, [each for each in troubles if each.is_truth])
    replayed = Replay(verdict)
    for at_s, snapshot in Cluster(troubles, chance).rounds(days):
        replayed.run_round(at_s, snapshot)
    return verdict


def _suppress(alerts: Iterable[Alert], causes: dict[int, Alert], snapshot: Snapshot) -> None:
    in_maintenance = {node.name for node in snapshot.nodes.values() if node.in_maintenance}
    for alert in filter(is_active, alerts):
        alert.suppression = find_suppression(
            alert,
            cause=causes.get(id(alert)),
            muted=(),
            in_maintenance=in_maintenance,
            silences=(),
            snoozed_until=None,
            now=snapshot.now,
        )
    for alert in alerts:
        if not is_active(alert):
            alert.suppression = alert.suppression or Suppression.NONE
