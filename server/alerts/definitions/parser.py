"""Definitions of rules as people write them, in a file, a form or the API: one syntax. Pure.

A definition of a default rule's name replaces some of its figures; of any other name it is a rule
of its own.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.alerts.conditions.catalogue import CONDITIONS, DEFAULT_RULES
from server.alerts.conditions.condition import (
    NODE_KINDS,
    Condition,
    Rule,
    build_rule,
    keep_distance,
)
from server.alerts.conditions.parameters import MAX_VALUE_CHARS, BadRule
from server.alerts.models import MAX_NAME_CHARS, MAX_SUBJECT_CHARS

#: Patterns of one matcher, and characters of one.
MAX_PATTERNS, MAX_PATTERN_CHARS = 20, MAX_SUBJECT_CHARS
#: Names that addresses of the API and the pages need.
RESERVED = frozenset({"preview", "new"})
#: Fields beside the parameters of the condition.
OTHER_FIELDS = ("condition", "severity", "enabled", "node", "subject")
_NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{MAX_NAME_CHARS - 1}}}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Definition:
    """A rule as it was written. `fields`: what was, numbers in the units of their parameters."""

    rule: Rule
    is_enabled: bool
    fields: Mapping[str, Any]


def parse_definition(name: str, written: Any, place: str) -> Definition:
    """Return the rule that a table of fields defines. Raises BadRule."""
    shown = repr(name)[:MAX_VALUE_CHARS]
    if not _NAME.match(name) or name in RESERVED:
        fix = f"Write up to {MAX_NAME_CHARS} small letters, digits and _, a letter first."
        raise BadRule(place, f"{shown} cannot be the name of a rule", fix)
    if not isinstance(written, Mapping):
        raise BadRule(place, "this is no table of fields", f"Write it below [{name}].")
    default = DEFAULT_RULES.get(name)
    condition = _parse_condition(written, default, place)
    _refuse_unknown(written, condition, place)
    severity = written.get("severity", default.severity if default else None)
    if severity is None:
        raise BadRule(f"{place}.severity", "there is none", "Write warning or critical.")
    is_enabled = written.get("enabled", True)
    if not isinstance(is_enabled, bool):
        raise BadRule(f"{place}.enabled", "this is neither true nor false", "Write true or false.")
    nodes = _parse_patterns(written.get("node", ()), f"{place}.node")
    subjects = _parse_patterns(written.get("subject", ()), f"{place}.subject")
    if nodes and condition.subject not in NODE_KINDS:
        problem = f"a {condition.subject.replace('_', ' ')} is of no node"
        raise BadRule(f"{place}.node", problem, "Match its `subject` instead.")
    figures = {field: value for field, value in written.items() if field not in OTHER_FIELDS}
    base = dict(default.values) if default else {}
    base |= keep_distance(condition, base, figures, place)
    rule = build_rule(
        name, condition, str(severity), base | figures, place, nodes=nodes, subjects=subjects
    )
    fields: dict[str, Any] = {field: rule.values[field] for field in figures}
    fields |= {"node": list(nodes)} if nodes else {}
    fields |= {"subject": list(subjects)} if subjects else {}
    fields |= {field: written[field] for field in ("severity", "enabled") if field in written}
    if default is None:
        fields["condition"] = condition.name
    return Definition(rule, is_enabled, fields)


def _parse_condition(written: Mapping[str, Any], default: Rule | None, place: str) -> Condition:
    wanted = written.get("condition", default.condition.name if default else None)
    shown = repr(wanted)[:MAX_VALUE_CHARS]
    if default is not None and wanted != default.condition.name:
        problem = f"the rule {default.name} is of {default.condition.name}, not of {shown}"
        raise BadRule(f"{place}.condition", problem, "Leave it out, or choose another name.")
    if not isinstance(wanted, str) or wanted not in CONDITIONS:
        problem = "there is none" if wanted is None else f"there is no condition {shown}"
        choices = ", ".join(sorted(CONDITIONS))
        raise BadRule(f"{place}.condition", problem, f"Conditions are: {choices}.")
    return CONDITIONS[wanted]


def _refuse_unknown(written: Mapping[str, Any], condition: Condition, place: str) -> None:
    known = (*condition.fields, *OTHER_FIELDS)
    for field in written:
        if field not in known:
            shown = _CONTROL.sub("?", str(field))[:MAX_VALUE_CHARS]
            fix = f"Fields of {condition.name} are: {', '.join(sorted(known))}."
            raise BadRule(f"{place}.{shown}", "there is no such field", fix)


def _parse_patterns(value: Any, place: str) -> tuple[str, ...]:
    """Return the patterns of a matcher: one text, or a list of them."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, Sequence) or not all(isinstance(each, str) for each in values):
        fix = 'Write a text, such as "mta-*", or a list of them.'
        raise BadRule(place, "this is neither a text nor a list of texts", fix)
    if len(values) > MAX_PATTERNS:
        raise BadRule(
            place, f"{len(values)} patterns are too many", f"Write {MAX_PATTERNS} at most."
        )
    for each in values:
        if not each or len(each) > MAX_PATTERN_CHARS or _CONTROL.search(each):
            shown = repr(each)[:MAX_VALUE_CHARS]
            fix = f"Write 1 to {MAX_PATTERN_CHARS} characters without line breaks."
            raise BadRule(place, f"{shown} cannot be a pattern", fix)
    return tuple(values)


def drop_defaults(definition: Definition) -> Definition:
    """Return a definition without what is as by default: a form writes all fields."""
    rule, default = definition.rule, DEFAULT_RULES.get(definition.rule.name)
    fields = dict(definition.fields)
    if definition.is_enabled:
        fields.pop("enabled", None)
    if default is not None:
        if fields.get("severity") == default.severity:
            del fields["severity"]
        kept = {name for name, value in rule.values.items() if value != default.values[name]}
        if "threshold" in kept:  # otherwise `clear` would be in proportion
            kept.add("clear")
        fields = {n: v for n, v in fields.items() if n in kept or n in OTHER_FIELDS}
    return parse_definition(rule.name, fields, f"[{rule.name}]")
