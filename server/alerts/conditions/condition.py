"""Conditions and rules: what can be judged, and with which figures it is. Pure.

A condition reads the snapshot of a round and yields a reading for each subject it knows of. A rule
is a condition with its figures: thresholds, times, severity. All rules of one condition share its
readings' meaning, and of two that fire for one subject the more severe one is the cause.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from server.alerts.conditions.parameters import (
    HOUR,
    MAX_DAYS_S,
    MAX_VALUE_CHARS,
    BadRule,
    Parameter,
    parse_parameters,
)
from server.alerts.matchers import matches_pattern
from server.alerts.models import Severity
from server.alerts.snapshot import Snapshot, Source
from server.alerts.states import Holds, Timing

Values = Mapping[str, float]
#: Kinds of subjects that are of a node.
NODE_KINDS = frozenset({"node", "source", "program", "port", "file_system"})


@dataclass(frozen=True)
class Subject:
    """Of what a reading is. `node`: whose it is; empty for what is of the whole cluster."""

    kind: str
    name: str
    node: str = ""


@dataclass(frozen=True)
class Reading:
    """A subject in one round. `value` None: not known, as its source is stale.

    `text`: one sentence that says what is, with its figures. `count`: of how many a share is.
    """

    subject: Subject
    value: float | None
    text: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    count: int | None = None


@dataclass(frozen=True)
class Condition:
    """Something that can be judged. `side`: on which side of its threshold it fires; `is`: there is
    no threshold, it fires where the value is not 0.

    `source`: what its readings are read from; a subject without a reading is not known while that
    is stale. `parameters`: beside the threshold and the times, and all of a rule's values that
    `read` may use. `threshold` None: it has none.
    """

    name: str
    subject: str
    source: Source
    help: str
    read: Callable[[Snapshot, Values], Iterable[Reading]]
    threshold: Parameter | None = None
    side: Literal["above", "below", "is"] = "is"
    parameters: tuple[Parameter, ...] = ()
    min_count: int | None = None

    @property
    def fields(self) -> dict[str, Parameter]:
        """All parameters of a rule of this condition, by name."""
        own = list(self.parameters)
        if self.threshold is not None:
            own += [self.threshold, _clear_of(self.threshold)]
        if self.min_count is not None:
            own.append(Parameter("min_count", "", self.min_count, "Fewer are not judged.", 1))
        return {parameter.name: parameter for parameter in (*own, *TIMES)}


TIMES = (
    Parameter("for", "s", 0.0, "It must hold for so long before it fires.", maximum=MAX_DAYS_S),
    Parameter(
        "keep_firing_for", "s", 60.0, "It goes on for so long after its end.", maximum=24 * HOUR
    ),
)


def _clear_of(threshold: Parameter) -> Parameter:
    return Parameter(
        "clear", threshold.unit, threshold.default, "It ends beyond this.",
        threshold.minimum, threshold.maximum,
    )  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """A condition with its figures, by the name under which alerts carry it.

    `nodes`, `subjects`: patterns of those that it judges; without any it judges all.
    """

    name: str
    condition: Condition
    severity: Severity
    values: Values
    nodes: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()

    @property
    def timing(self) -> Timing:
        return Timing(self.values["for"], self.values["keep_firing_for"])

    @property
    def reads(self) -> tuple[str, tuple[float, ...]]:
        """The condition with all that its readings depend on: equal in rules that share them."""
        own = self.condition.parameters
        return self.condition.name, tuple(self.values[parameter.name] for parameter in own)

    def matches(self, node: str, subject: str) -> bool:
        """Return whether it judges a subject, by the subject's name and its node's."""
        return all(
            not patterns or any(matches_pattern(name, pattern) for pattern in patterns)
            for name, patterns in ((node, self.nodes), (subject, self.subjects))
        )

    def judge(self, reading: Reading) -> Holds:
        """Return whether the condition holds."""
        return self.judge_value(reading.value, reading.count)

    def judge_value(self, value: float | None, count: float | None) -> Holds:
        """Return whether it holds of a value. A share of too few is none, so it does not."""
        if value is None:
            return Holds.UNKNOWN
        if count is not None and count < self.values.get("min_count", 0):
            return Holds.NO
        if self.condition.side == "is":
            return Holds.YES if value else Holds.NO
        sign = 1 if self.condition.side == "above" else -1
        if sign * value > sign * self.values["threshold"]:
            return Holds.YES
        return Holds.BETWEEN if sign * value > sign * self.values["clear"] else Holds.NO


def build_rule(
    name: str,
    condition: Condition,
    severity: str,
    written: Mapping[str, Any],
    place: str,
    *,
    nodes: tuple[str, ...] = (),
    subjects: tuple[str, ...] = (),
) -> Rule:
    """Return a rule of what a person wrote. Raises BadRule.

    Without `clear`, it ends where it fires.
    """
    if severity not in Severity.values:
        choices = " or ".join(Severity.values)
        problem = f"{severity[:MAX_VALUE_CHARS]!r} is no severity"
        raise BadRule(f"{place}.severity", problem, f"Write {choices}.")
    values = parse_parameters(condition.fields, written, place)
    if condition.threshold is not None:
        if "clear" not in written:
            values["clear"] = values["threshold"]
        sign = 1 if condition.side == "above" else -1
        if sign * values["clear"] > sign * values["threshold"]:
            side = "above" if sign > 0 else "below"
            limit = condition.threshold.format(values["threshold"])
            problem = "it would end while it fires"
            raise BadRule(f"{place}.clear", problem, f"Write a value not {side} {limit}.")
    return Rule(name, condition, Severity(severity), values, nodes, subjects)


def keep_distance(
    condition: Condition, base: Values, written: Mapping[str, Any], place: str
) -> dict[str, float]:
    """Return `clear` where only another threshold was written: as far from it, in proportion, as
    before. Otherwise a rule that fires later would end as late as ever. Raises BadRule."""
    parameter = condition.threshold
    if parameter is None or "threshold" not in written or "clear" in written:
        return {}
    if not base.get("threshold") or base["clear"] == base["threshold"]:
        return {"clear": written["threshold"]}
    threshold = parameter.parse(written["threshold"], f"{place}.threshold")
    clear = float(f"{threshold * base['clear'] / base['threshold']:.6g}")
    return {"clear": min(max(clear, parameter.minimum), parameter.maximum)}


def warn(name: str, condition: Condition, **written: Any) -> Rule:
    """Return a rule that is on by default and warns."""
    return build_rule(name, condition, Severity.WARNING, _names(written), name)


def alarm(name: str, condition: Condition, **written: Any) -> Rule:
    """Return a rule that is on by default and critical."""
    return build_rule(name, condition, Severity.CRITICAL, _names(written), name)


def _names(written: Mapping[str, Any]) -> dict[str, Any]:
    """Return keywords by their names in rules: `for` is a word of Python."""
    return {name.rstrip("_"): value for name, value in written.items()}


def find_thresholds(rules: Iterable[Rule]) -> dict[str, float]:
    """Return name → threshold, in its unit, of the rules that have one: pages mark by the same."""
    return {rule.name: rule.values["threshold"] for rule in rules if "threshold" in rule.values}
