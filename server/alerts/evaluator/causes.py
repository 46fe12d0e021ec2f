"""Causes of alerts: which alert hides another, and why nobody is notified of one. Pure.

Causes come before what they lead to: this server, an open block, a silent node, a database without
a primary, a stopped program. What is hidden stays visible under its cause.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime

from server.alerts.conditions.condition import Rule
from server.alerts.matchers import matches_pattern
from server.alerts.models import Alert, Severity, Silence, State, Suppression
from server.alerts.node_problems import PROGRAM_OF_PORT

#: Conditions that hide all but those of the server, and of all others: nothing is known then.
SERVER = ("redis_silent", "worker_silent", "inbox_waits")
#: Conditions of what needs MongoDB to be written to.
NEEDS_PRIMARY = frozenset({
    "mongodb_member_down", "mongodb_lag", "nothing_delivered", "delivery_slow", "oldest_waiting",
    "queue_long", "mail_stranded", "zone_silent", "source_failing",
})  # fmt: skip
#: Conditions of one program's samples, and the program.
PROGRAM_OF_CONDITION = {"redis_memory": "redis", "mongodb_oplog_short": "mongodb"}
#: Conditions of what an open block leads to, where their evidence names one.
EFFECTS_OF_BLOCKS = frozenset({
    "destination_failing", "bounce_share", "nothing_delivered", "queue_long", "oldest_waiting",
})  # fmt: skip
#: Conditions of one member of a replica set, whose host may be a node.
OF_MEMBERS = ("mongodb_member_down", "mongodb_lag")


def is_active(alert: Alert) -> bool:
    """Return whether an alert has fired and not ended."""
    return alert.fired_at is not None and alert.state != State.OK


class ActiveAlerts:
    """The active alerts, by what their causes are looked for."""

    def __init__(self, alerts: Iterable[Alert], rules: Mapping[str, Rule]) -> None:
        self.all = [alert for alert in alerts if is_active(alert) and alert.rule in rules]
        self.conditions = {id(one): rules[one.rule].condition.name for one in self.all}
        self.by_condition: dict[str, list[Alert]] = {}
        self.by_subject: dict[tuple[str, str, str], list[Alert]] = {}
        self.silent: dict[str, list[Alert]] = {}
        for alert in self.all:
            condition = self.conditions[id(alert)]
            self.by_condition.setdefault(condition, []).append(alert)
            self.by_subject.setdefault((condition, alert.kind, alert.subject), []).append(alert)
            if condition == "node_silent":
                self.silent.setdefault(alert.node, []).append(alert)
        stopped = self.by_condition.get("program_stopped", ())
        self.stopped = {alert.subject: alert for alert in stopped}
        blocking = self.by_condition.get("provider_blocking", ())
        self.blocks = {alert.subject: alert for alert in blocking}

    def find_cause(self, alert: Alert) -> Alert | None:
        """Return the cause of one alert. It is of an earlier rank than what it hides, or of the
        same condition and subject and more severe, so there is no circle."""
        condition = self.conditions[id(alert)]
        of_subject = self.by_subject[condition, alert.kind, alert.subject]
        block = self._find_block(alert, condition)
        if block is None:
            # What a block does not lead to is not hidden under what it does.
            gravest = _gravest(a for a in of_subject if not self._find_block(a, condition))
            if gravest is not alert:
                return gravest
        candidates: list[Alert] = []
        if alert.kind != "server":
            for name in SERVER:
                candidates += self.by_condition.get(name, ())
            if block is not None:
                candidates = candidates or [block]
            elif condition != "node_silent":
                candidates = candidates or self._find_causes_below(alert, condition)
        return _gravest(candidates) if candidates else None

    def _find_block(self, alert: Alert, condition: str) -> Alert | None:
        """Return the block without which an alert would not fire, by its evidence."""
        if condition not in EFFECTS_OF_BLOCKS:
            return None
        if alert.evidence.get("fires_without_block"):
            return None
        return self.blocks.get(alert.evidence.get("block", ""))

    def _find_causes_below(self, alert: Alert, condition: str) -> list[Alert]:
        """Return the causes below the server: its node, the database, its program."""
        if alert.node and alert.node in self.silent:
            return self.silent[alert.node]
        if condition in NEEDS_PRIMARY and "mongodb_no_primary" in self.by_condition:
            return self.by_condition["mongodb_no_primary"]
        if condition == "program_stopped":
            return self._find_sets_of(alert)
        if condition in OF_MEMBERS:
            host = _host_of(alert.subject.rpartition("/")[2])
            return self._find_away(host, "mongodb", is_same=_is_same_host)
        if condition == "mail_stranded":
            nodes = alert.evidence.get("nodes") or [""]
            away = [self._find_away(node, "zonemta") for node in nodes]
            return [each for causes in away for each in causes] if all(away) else []
        stopped = self.stopped.get(f"{alert.node}/{_find_program(alert, condition)}")
        return [stopped] if stopped and stopped is not alert else []

    def _find_sets_of(self, alert: Alert) -> list[Alert]:
        """Return the replica sets without a primary of which a stopped MongoDB is a member."""
        if alert.subject != f"{alert.node}/mongodb":
            return []
        return [
            each
            for each in self.by_condition.get("mongodb_no_primary", ())
            if any(_is_same_host(_host_of(name), alert.node) for name in _members_of(each))
        ]

    def _find_away(
        self, host: str, program: str, is_same: Callable[[str, str], bool] = str.__eq__
    ) -> list[Alert]:
        """Return why a program of a host is away: its node is silent, or it has stopped."""
        silent = [a for name, alerts in self.silent.items() if is_same(host, name) for a in alerts]
        stopped = [
            alert
            for subject, alert in self.stopped.items()
            if subject == f"{alert.node}/{program}" and is_same(host, alert.node)
        ]
        return silent or stopped


def find_causes(alerts: Iterable[Alert], rules: Mapping[str, Rule]) -> dict[int, Alert]:
    """Return the alert that hides each alert, by the identity of the hidden one.

    The cause of a cause is the cause of both.
    """
    active = ActiveAlerts(alerts, rules)
    causes = {id(alert): cause for alert in active.all if (cause := active.find_cause(alert))}
    return {hidden: _root(cause, causes) for hidden, cause in causes.items()}


def _root(cause: Alert, causes: Mapping[int, Alert]) -> Alert:
    while id(cause) in causes:
        cause = causes[id(cause)]
    return cause


def _find_program(alert: Alert, condition: str) -> str | None:
    """Return the program to which a source, a port or a reading belongs; None: to none."""
    name = alert.subject.rpartition("/")[2]
    if alert.kind == "source":
        return name
    if alert.kind == "port":
        return PROGRAM_OF_PORT.get(name)
    return PROGRAM_OF_CONDITION.get(condition)


def _members_of(alert: Alert) -> Iterable[str]:
    members = alert.evidence.get("members")
    return members if isinstance(members, dict) else ()


def _host_of(member: str) -> str:
    """Return the host of a member of a replica set, which is called host:port."""
    return member.rpartition(":")[0].strip("[]").lower()


def _is_same_host(host: str, node: str) -> bool:
    """Return whether a host is a node's, with or without its domain."""
    node = node.lower()
    short, _, domain = host.partition(".")
    own_short, _, own_domain = node.partition(".")
    return host == node or (
        short == own_short and not (domain and own_domain) and not short.isdigit()
    )


def _gravest(alerts: Iterable[Alert]) -> Alert:
    return min(alerts, key=lambda one: (one.severity != Severity.CRITICAL, one.rule, one.subject))


def find_suppression(
    alert: Alert,
    *,
    cause: Alert | None,
    muted: Collection[str],
    in_maintenance: Collection[str],
    silences: Iterable[Silence],
    snoozed_until: datetime | None,
    now: datetime,
) -> Suppression:
    """Return why nobody is notified of an alert, the first reason there is."""
    if cause is not None:
        return Suppression.INHIBITED
    if alert.rule in muted:
        return Suppression.MUTED
    if alert.node in in_maintenance:
        return Suppression.MAINTENANCE
    if any(is_silenced(alert, silence) for silence in silences):
        return Suppression.SILENCED
    if snoozed_until is not None and snoozed_until > now:
        return Suppression.SNOOZED
    return Suppression.NONE


def is_silenced(alert: Alert, silence: Silence) -> bool:
    """Return whether a silence matches an alert, whatever its time."""
    return (
        silence.rule in ("", alert.rule)
        and silence.severity in ("", alert.severity)
        and matches_pattern(alert.node, silence.node)
        and matches_pattern(alert.subject, silence.subject)
    )
