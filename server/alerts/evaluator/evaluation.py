"""Evaluation of the rules: from a snapshot and the open alerts to what they are now. Pure."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from server.alerts.conditions.condition import Reading, Rule
from server.alerts.models import MAX_SUBJECT_CHARS, MAX_TEXT_CHARS, Alert, State
from server.alerts.snapshot import Snapshot
from server.alerts.states import Holds, Status, step
from server.formats import duration

logger = logging.getLogger(__name__)

#: Subjects of one rule that are followed; a snapshot has more only where something invents them.
MAX_SUBJECTS = 2_000
#: Kind and name of a subject.
Key = tuple[str, str]


@dataclass
class Outcome:
    """An open or new alert after a round, and its status before. It is ended where that is ok."""

    alert: Alert
    before: Status
    after: Status

    @property
    def is_news(self) -> bool:
        """Whether it is a flip that goes into the history: of what has fired."""
        is_of_fired = self.before.fired_at is not None or self.after.fired_at is not None
        return is_of_fired and self.before.state is not self.after.state

    @property
    def has_fired_now(self) -> bool:
        return self.before.fired_at is None and self.after.fired_at is not None


@dataclass
class Evaluated:
    """The outcomes of a round. `failures`: rules that could not be read, and why; `cut`: subjects
    past MAX_SUBJECTS."""

    outcomes: list[Outcome] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    cut: int = 0


def key_of(alert: Alert) -> Key:
    return alert.kind, alert.subject


def status_of(alert: Alert) -> Status:
    return Status(State(alert.state), alert.since, alert.fired_at)


def evaluate(rules: Iterable[Rule], snapshot: Snapshot, open_alerts: Iterable[Alert]) -> Evaluated:
    """Step every subject of every rule, and every open alert. Changes the alerts it returns.

    A rule that cannot be read changes none of its alerts, and no other rule. An alert whose rule is
    gone ends.
    """
    evaluated = Evaluated()
    by_rule: dict[str, dict[Key, Alert]] = {}
    for alert in open_alerts:
        by_rule.setdefault(alert.rule, {})[key_of(alert)] = alert
    readings_of: dict[Any, dict[Key, Reading]] = {}
    for rule in rules:
        known = by_rule.pop(rule.name, {})
        try:
            # Once for all rules that read the same: a hundred nodes have thousands of readings.
            if rule.reads not in readings_of:
                readings_of[rule.reads] = _read(rule, snapshot)
            readings = _select(rule, readings_of[rule.reads])
        except Exception as error:
            logger.exception("The rule %s cannot be evaluated", rule.name)
            evaluated.failures[rule.name] = f"{type(error).__name__}: {error}"
            continue
        evaluated.cut += max(0, len(readings) - MAX_SUBJECTS)
        first = dict(list(readings.items())[:MAX_SUBJECTS])
        evaluated.outcomes += _step_rule(rule, first, known, snapshot)
    for known in by_rule.values():
        evaluated.outcomes += [_end(alert, snapshot.now) for alert in known.values()]
    return evaluated


def _read(rule: Rule, snapshot: Snapshot) -> dict[Key, Reading]:
    readings = {}
    for reading in rule.condition.read(snapshot, rule.values):
        subject = _clean(reading.subject.name)[:MAX_SUBJECT_CHARS]
        readings[reading.subject.kind, subject] = reading
    return readings


def _select(rule: Rule, readings: dict[Key, Reading]) -> dict[Key, Reading]:
    """Return the readings of the subjects that a rule judges: of most rules all."""
    if not (rule.nodes or rule.subjects):
        return readings
    return {
        key: reading
        for key, reading in readings.items()
        if rule.matches(reading.subject.node, key[1])
    }


def _clean(text: str) -> str:
    """Replace the character that PostgreSQL refuses in any text."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _step_rule(
    rule: Rule, readings: Mapping[Key, Reading], known: Mapping[Key, Alert], snapshot: Snapshot
) -> list[Outcome]:
    outcomes = []
    for key, reading in readings.items():
        alert, holds = known.get(key), rule.judge(reading)
        if alert is None and holds is Holds.NO:
            continue  # most subjects, most of the time
        alert = alert or _new_alert(rule, key, reading, snapshot.now)
        outcomes.append(_step(rule, alert, holds, snapshot.now, reading))
    for key, alert in known.items():
        if key not in readings:
            outcomes.append(_step_unread(rule, alert, snapshot))
    return [o for o in outcomes if o.before.state is not State.OK or o.after.state is not State.OK]


def _step_unread(rule: Rule, alert: Alert, snapshot: Snapshot) -> Outcome:
    """Step an alert without a reading: its subject is fine, gone, in maintenance or not known, or
    its rule was changed and does not judge it any more."""
    if not rule.matches(alert.node, alert.subject):
        return _end(alert, snapshot.now)
    if alert.node:
        node = snapshot.nodes.get(alert.node)
        if node is None:
            return _end(alert, snapshot.now)
        if node.in_maintenance:
            return Outcome(alert, status_of(alert), status_of(alert))
    is_known = snapshot.is_known(rule.condition.source, alert.node)
    return _step(rule, alert, Holds.NO if is_known else Holds.UNKNOWN, snapshot.now)


def _step(
    rule: Rule, alert: Alert, holds: Holds, now: datetime, reading: Reading | None = None
) -> Outcome:
    before = status_of(alert)
    after = step(before, holds, rule.timing, now)
    alert.severity = rule.severity
    if reading is not None and reading.value is not None and holds is not Holds.NO:
        alert.value = reading.value
        alert.text = _clean(reading.text)[:MAX_TEXT_CHARS]
        alert.evidence = _note_block(rule, alert, reading, now)
    elif reading is not None and reading.value is not None:
        alert.value = reading.value
    return _note(alert, before, after, now)


def _note_block(rule: Rule, alert: Alert, reading: Reading, now: datetime) -> dict[str, Any]:
    """Return the evidence of a reading; of one with a block since when its rule holds without that
    too, and whether for so long that it would have fired."""
    evidence = dict(reading.evidence)
    if "without_block" not in evidence:
        return evidence
    without, of_count = evidence["without_block"], evidence.get("without_block_of")
    if rule.judge_value(without, of_count) is Holds.YES:
        since = alert.evidence.get("without_block_since") or now.isoformat()
        evidence["without_block_since"] = since
        age_s = (now - datetime.fromisoformat(since)).total_seconds()
        evidence["fires_without_block"] = age_s >= rule.values["for"]
    return evidence


def _end(alert: Alert, now: datetime) -> Outcome:
    return _note(alert, status_of(alert), Status(State.OK, now), now)


def describe_end(alert: Alert, rule: Rule | None) -> str:
    """Return the sentence of an all-clear: how long it lasted, the value now, and what it was."""
    began, ended = alert.fired_at or alert.started_at, alert.ended_at or alert.since
    lasted = duration(max(0.0, (ended - began).total_seconds()))
    parameter = rule.condition.threshold if rule else None
    now = ""
    if parameter is not None and alert.value is not None:
        now = f", now {parameter.describe(alert.value)}"
    return f"Over after {lasted}{now}. It was: {alert.text}"[:MAX_TEXT_CHARS]


def _note(alert: Alert, before: Status, after: Status, now: datetime) -> Outcome:
    """Write a status into its alert. One that ends keeps when it fired."""
    alert.state, alert.since = after.state, after.since or now
    if after.state is State.OK:
        alert.ended_at = now
    else:
        alert.fired_at = after.fired_at
    return Outcome(alert, before, after)


def _new_alert(rule: Rule, key: Key, reading: Reading, now: datetime) -> Alert:
    kind, subject = key
    return Alert(
        rule=rule.name,
        severity=rule.severity,
        kind=kind,
        subject=subject,
        node=reading.subject.node,
        state=State.OK,
        since=now,
        started_at=now,
    )
