"""Alerts as they stand: those of the last round, stepped over what was read since. Pure.

A page is a round that nobody stores. The conditions of what it has read are evaluated anew, by the
function of the evaluator, so that a page is true between two rounds, and without any; what it has
not read stands as the last round left it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from server.alerts.blocks.wording import one_line
from server.alerts.conditions.catalogue import DEFAULT_RULES
from server.alerts.conditions.condition import Rule
from server.alerts.evaluator.causes import is_active
from server.alerts.evaluator.evaluation import evaluate
from server.alerts.models import Alert, Incident, Severity, State, Suppression
from server.alerts.nodes import worst_level
from server.alerts.snapshot import Resources, Snapshot, WatchedNode
from server.metrics.newest import NodeState

#: Rules whose subjects are named as soon as they hold: their readings are of a time already, of two
#: samples, a window or an age. All others come and go, and are named once their alert fires.
AT_ONCE = (
    "program_stopped", "disk_almost_full", "port_closed", "provider_blocking", "sender_refused",
    "destination_failing", "events_missing", "mail_stranded", "oldest_waiting_day",
    "oldest_waiting", "clock_wrong",
)  # fmt: skip
#: Without a round for longer, what the rounds say is old: they are a quarter of this apart.
MAX_ROUND_AGE = timedelta(seconds=60)
#: Suppression → how a page calls it. These are decisions that something is expected.
EXPECTED = {
    Suppression.MUTED: "muted",
    Suppression.MAINTENANCE: "in maintenance",
    Suppression.SILENCED: "silenced",
}


@dataclass(frozen=True)
class Finding:
    """Something that holds of one subject. `alert`: unsaved where no round has seen it yet.

    `handled`: why it needs nobody now; empty where it does.
    """

    alert: Alert
    condition: str
    handled: str = ""

    @property
    def text(self) -> str:
        """The alert's own words, on one line."""
        return one_line(self.alert.text)

    @property
    def is_expected(self) -> bool:
        return self.alert.suppression in EXPECTED

    @property
    def is_alarm(self) -> bool:
        """Whether a round has seen it, a critical alert has fired, and it waits for somebody."""
        is_stored = self.alert.pk is not None and self.alert.fired_at is not None
        return is_stored and self.alert.severity == Severity.CRITICAL and not self.handled

    @property
    def level(self) -> str:
        """Return the level: of what is handled at most a warning, and none of what is expected."""
        if not self.handled:
            return str(self.alert.severity)
        return "ok" if self.is_expected else "warning"


@dataclass(frozen=True)
class Standing:
    """All findings of one moment, by the rules of that moment. `evaluated_at`: of the last round;
    None: none ever ran."""

    findings: tuple[Finding, ...] = ()
    alerts: tuple[Alert, ...] = ()
    evaluated_at: datetime | None = None
    rules: Mapping[str, Rule] = field(default_factory=lambda: DEFAULT_RULES)

    def find(self, conditions: Iterable[str]) -> list[Finding]:
        wanted = frozenset(conditions)
        return [finding for finding in self.findings if finding.condition in wanted]

    def of_node(self, name: str) -> tuple[Finding, ...]:
        """Return what a round has seen of one node, the gravest first."""
        own = [each for each in self.findings if each.alert.node == name and each.alert.pk]
        return tuple(sorted(own, key=lambda each: (bool(each.handled), each.level != "critical")))

    def level_of(self, conditions: Iterable[str]) -> str:
        """Return the worst level of some conditions; empty where nothing of them is found."""
        levels = {finding.level for finding in self.find(conditions)}
        return worst_level(levels) if levels else ""

    def is_old(self, now: datetime) -> bool:
        """Return whether rounds came and come no more."""
        return self.evaluated_at is not None and now - self.evaluated_at > MAX_ROUND_AGE


NONE_STANDS = Standing()


def build_standing(
    alerts: Sequence[Alert],
    rules: Mapping[str, Rule],
    now: datetime,
    evaluated_at: datetime | None = None,
) -> Standing:
    """Return the findings of alerts: of one subject and condition the gravest, and none of what is
    hidden under its cause, ended, or never held."""
    findings: dict[tuple[str, str, str], Finding] = {}
    for alert in alerts:
        rule = rules.get(alert.rule)
        if rule is None or not _is_shown(alert):
            continue
        finding = Finding(alert, rule.condition.name, describe_handling(alert, now))
        key = (finding.condition, alert.kind, alert.subject)
        other = findings.get(key)
        if other is None or _gravity(finding) > _gravity(other):
            findings[key] = finding
    return Standing(tuple(findings.values()), tuple(alerts), evaluated_at, rules)


def _is_shown(alert: Alert) -> bool:
    if alert.state == State.OK or alert.suppression == Suppression.INHIBITED:
        return False
    return is_active(alert) or (alert.state == State.PENDING and alert.rule in AT_ONCE)


def _gravity(finding: Finding) -> tuple[bool, bool]:
    return not finding.handled, finding.alert.severity == Severity.CRITICAL


def step_standing(
    standing: Standing, snapshot: Snapshot, *, only: Collection[str] | None = None
) -> Standing:
    """Return the findings of now: the rules of AT_ONCE are evaluated over what was just read.

    `only`: of these conditions, as the snapshot has no more. The alerts of `standing` stay as they
    are.
    """
    rules = standing.rules
    at_once = {
        name: rules[name]
        for name in AT_ONCE
        if name in rules and (only is None or rules[name].condition.name in only)
    }
    known = [copy(alert) for alert in standing.alerts if alert.rule in at_once]
    others = [alert for alert in standing.alerts if alert.rule not in at_once]
    outcomes = evaluate(at_once.values(), snapshot, known).outcomes
    alerts = [*(outcome.alert for outcome in outcomes), *others]
    return build_standing(alerts, rules, snapshot.now, standing.evaluated_at)


def build_glance(
    now: datetime,
    *,
    states: Sequence[NodeState] = (),
    alerts: Iterable[Alert] = (),
    **read: Any,
) -> Snapshot:
    """Return a snapshot of what a page has read: the fields of Snapshot, with `states` for nodes.

    Nodes that do not report are known by their alerts alone.
    """
    nodes = {
        alert.node: WatchedNode(
            alert.node, in_maintenance=alert.suppression == Suppression.MAINTENANCE
        )
        for alert in alerts
        if alert.node
    }
    for state in states:
        nodes[state.name] = WatchedNode(state.name, state.role, clock_ahead_ms=state.clock_ahead_ms)
    resources = {
        state.name: Resources(disk_percent=state.disk_used_percent, file_systems=state.file_systems)
        for state in states
    }
    return Snapshot(now, nodes=nodes, states=states, resources=resources, **read)


def describe_handling(alert: Alert, now: datetime) -> str:
    """Return why an alert needs nobody now; empty where it does."""
    if alert.state == State.RECOVERING:
        return "recovering"
    if alert.suppression in EXPECTED:
        return EXPECTED[Suppression(alert.suppression)]
    return one_line(describe_attention(alert.incident, now)) if alert.incident else ""


def describe_attention(incident: Incident, now: datetime) -> str:
    """Return who looks after an incident; empty where nobody does."""
    if incident.snoozed_until and incident.snoozed_until > now:
        return f"snoozed until {incident.snoozed_until:%Y-%m-%d %H:%M} UTC"
    if incident.acknowledged_at:
        return f"acknowledged by {incident.acknowledged_by}"
    return ""
