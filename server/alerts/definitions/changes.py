"""Changes of rules: what another set of definitions would change, as a readable diff. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from server.alerts.conditions.condition import Rule
from server.alerts.rules import RuleEntry
from server.formats import UNKNOWN

SIGNS = {"added": "+", "changed": "~", "removed": "-"}


@dataclass(frozen=True)
class Change:
    """A change of one rule. `lines`: each field, before and after."""

    rule: str
    kind: Literal["added", "changed", "removed"]
    summary: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        """Return it as a few lines of a diff."""
        head = f"{SIGNS[self.kind]} {self.rule}: {self.summary}"
        return "\n".join([head, *(f"    {line}" for line in self.lines)])

    @property
    def text(self) -> str:
        """It as one line, for the log."""
        return "; ".join([self.summary, *self.lines])


def describe(rule: Rule, *, is_enabled: bool) -> dict[str, str]:
    """Return the fields of a rule as people write them."""
    fields = rule.condition.fields
    return {
        "enabled": "true" if is_enabled else "false",
        "condition": rule.condition.name,
        "severity": str(rule.severity),
        **{name: fields[name].format(value) for name, value in rule.values.items()},
        "node": ", ".join(rule.nodes) or "any",
        "subject": ", ".join(rule.subjects) or "any",
    }


def compare(before: RuleEntry | None, after: RuleEntry | None, name: str) -> Change | None:
    """Return the change from one entry to another; None where nothing changes. None: no rule."""
    old = describe(before.rule, is_enabled=before.is_enabled) if before else {}
    new = describe(after.rule, is_enabled=after.is_enabled) if after else {}
    lines = tuple(_lines(old, new))
    if after is None:
        return Change(name, "removed", f"{_origin(before)}, is removed", lines) if before else None
    if before is None:
        return Change(name, "added", f"a new rule, {_origin(after)}", lines)
    if _written(before) == _written(after):
        return None
    origins = dict.fromkeys((_origin(before), _origin(after)))
    return Change(name, "changed", " → ".join(origins), lines)


def _written(entry: RuleEntry) -> tuple[str, object]:
    """Return what is stored of an entry."""
    return entry.file, entry.definition.fields if entry.definition else None


def compare_all(
    before: Mapping[str, RuleEntry], after: Mapping[str, RuleEntry]
) -> Iterator[Change]:
    """Yield the changes from some rules to others, by name."""
    for name in sorted({*before, *after}):
        if change := compare(before.get(name), after.get(name), name):
            yield change


def _origin(entry: RuleEntry | None) -> str:
    if entry is None or entry.source == "default":
        return "as by default"
    return f"by {entry.file}" if entry.file else "by the form"


def _lines(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield f"{name}: {old.get(name, UNKNOWN)} → {new.get(name, UNKNOWN)}"
