"""Rows, form and preview of the pages of rules. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from server.alerts.backtest.preview import Preview
from server.alerts.backtest.replay import Firing
from server.alerts.conditions.catalogue import CONDITIONS, FAMILIES
from server.alerts.conditions.condition import NODE_KINDS, Rule
from server.alerts.definitions.queries import RuleState
from server.alerts.models import Severity
from server.alerts.rules import RuleEntry
from server.dashboard.shell.lists.tables import Cell, Column, Table, number
from server.formats import duration, thousands

#: Firings that are listed; all are counted.
MAX_FIRINGS = 50
MAX_FIELD_CHARS = 2_000
FAMILY_LABELS = {
    "server": "This server", "nodes": "Nodes and their agents", "programs": "Programs and ports",
    "resources": "Resources", "databases": "Databases", "mail_flow": "Mail flow",
    "mail_queue": "Mail queue", "destinations": "Destinations and blocks",
    "accounts": "Accounts and logins", "completeness": "Completeness",
}  # fmt: skip
COLUMNS = (
    Column("Rule"), Column("Severity"), Column("Fires"), Column("For"),
    Column("Now"), Column("30 d", is_number=True, explained="alerts that fired in 30 days"),
    Column("Defined"),
)  # fmt: skip
FIRING_COLUMNS = (
    Column("On"), Column("From"), Column("For", is_number=True), Column("Worst", is_number=True)
)  # fmt: skip
LABELS = {
    "threshold": "Fires past", "clear": "Ends at", "for": "For", "keep_firing_for": "Keep firing",
    "window": "Counted over", "min_count": "Of at least",
}  # fmt: skip


@dataclass(frozen=True)
class Field:
    """A field of the form. `options`: of a menu; `is_long`: several lines."""

    name: str
    label: str
    value: str
    help: str
    options: tuple[tuple[str, str], ...] = ()
    is_long: bool = False


def build_tables(states: Iterable[RuleState], carried: Mapping[str, str]) -> list[Table]:
    """Return a table for each family of conditions."""
    rows: dict[str, list[list[Cell]]] = {}
    for state in states:
        rows.setdefault(_family_of(state.entry.rule), []).append(_row(state, carried))
    return [
        Table(key, label, COLUMNS, rows[key]) for key, label in FAMILY_LABELS.items() if key in rows
    ]


def _family_of(rule: Rule) -> str:
    return next(key for key, family in FAMILIES.items() if rule.condition in family.CONDITIONS)


def _row(state: RuleState, carried: Mapping[str, str]) -> list[Cell]:
    rule = state.entry.rule
    return [
        Cell(rule.name, rule_href(rule.name, carried), note=rule.condition.help),
        Cell(str(rule.severity)),
        Cell(describe_threshold(rule)),
        Cell(duration(rule.values["for"]) if rule.values["for"] else "at once"),
        Cell(describe_state(state)),
        number(state.fired_count),
        Cell(describe_source(state)),
    ]


def rule_href(name: str, carried: Mapping[str, str]) -> str:
    return f"{reverse('rule-page', args=[name])}?{urlencode(carried)}".rstrip("?")


def describe_threshold(rule: Rule) -> str:
    """Return when a rule fires: "> 85 %"."""
    threshold = rule.condition.threshold
    if threshold is None:
        return "when it is so"
    sign = ">" if rule.condition.side == "above" else "<"
    return f"{sign} {threshold.format(rule.values['threshold'])}"


def describe_state(state: RuleState) -> str:
    """Return what a rule does now."""
    if not state.entry.is_enabled:
        return "off"
    words = [f"{thousands(state.firing_count)} firing"] if state.firing_count else []
    words += ["muted"] if state.mute else []
    return ", ".join(words) or "quiet"


def describe_source(state: RuleState) -> str:
    """Return who defined a rule."""
    return state.entry.file or {"default": "by default", "form": "here"}[state.entry.source]


def build_headline(states: Iterable[RuleState]) -> str:
    every = list(states)
    off = sum(not state.entry.is_enabled for state in every)
    firing = sum(state.firing_count > 0 for state in every)
    muted = sum(state.mute is not None for state in every)
    text = f"{thousands(len(every) - off)} rules are evaluated every 15 seconds"
    verb = "fires" if firing == 1 else "fire"
    text += f"; {thousands(firing)} {verb} now" if firing else "; none fires now"
    text += f", {thousands(off)} off" if off else ""
    return f"{text}, {thousands(muted)} muted." if muted else f"{text}."


def build_fields(rule: Rule, written: Mapping[str, str], *, is_enabled: bool) -> list[Field]:
    """Return the fields of the form, each with what was typed, else with what is in force."""
    severities = tuple((value, value) for value in Severity.values)
    fields = [
        Field(
            "enabled", "State", "on" if is_enabled else "off", "", (("on", "on"), ("off", "off"))
        ),
        Field("severity", "Severity", str(rule.severity), "", severities),
    ]
    fields += [
        Field(name, LABELS[name], parameter.format(rule.values[name]), parameter.help)
        for name, parameter in sorted(
            rule.condition.fields.items(), key=lambda item: list(LABELS).index(item[0])
        )
    ]
    if rule.condition.subject in NODE_KINDS:
        fields.append(
            Field("node", "Only nodes", "\n".join(rule.nodes), "* stands for any text, one a line",
                  is_long=True)
        )  # fmt: skip
    what = rule.condition.subject.replace("_", " ")
    fields.append(
        Field("subject", f"Only subjects ({what})", "\n".join(rule.subjects),
              "* stands for any text, one a line", is_long=True)
    )  # fmt: skip
    return [
        Field(f.name, f.label, written.get(f.name, f.value), f.help, f.options, f.is_long)
        for f in fields
    ]


def read_form(query: Mapping[str, str], rule: Rule) -> dict[str, str]:
    """Return what was typed into the form, of the fields that the rule has."""
    typed = read_typed(query)
    names = ("condition", "enabled", "severity", "node", "subject", *rule.condition.fields)
    return {name: typed[name] for name in names if name in typed}


def read_typed(query: Mapping[str, str]) -> dict[str, str]:
    """Return all fields that were sent, bounded."""
    names = ("name", "condition", "enabled", "severity", "node", "subject", *LABELS)
    return {name: query[name][:MAX_FIELD_CHARS] for name in names if query.get(name)}


def parse_form(written: Mapping[str, str], entry: RuleEntry | None) -> dict[str, Any]:
    """Return the fields of a definition that a form means: what is empty is as by default.

    A rule of one's own keeps its condition.
    """
    fields: dict[str, Any] = {"enabled": written.get("enabled") != "off"}
    for name, value in written.items():
        if name in ("node", "subject"):
            fields[name] = [line for line in map(str.strip, value.splitlines()) if line]
        elif name not in ("enabled", "name") and value.strip():
            fields[name] = value.strip()
    if entry is not None:
        fields["condition"] = entry.rule.condition.name
    return fields


def list_conditions() -> list[tuple[str, str]]:
    """Return the conditions of a menu: name, and what it is."""
    return [(name, f"{name}: {each.help}") for name, each in sorted(CONDITIONS.items())]


def describe_preview(preview: Preview) -> str:
    """Return what a rule would have fired, in a sentence."""
    if preview.reason:
        return preview.reason
    span = duration((preview.end - preview.start).total_seconds())
    over = f"in {span}, on {_count(preview.subjects_count, 'subject')} with a history"
    if not preview.firings:
        return f"It would not have fired {over}."
    times = _count(len(preview.firings), "time")
    longest = max(map(preview.lasted_s, preview.firings))
    return (
        f"It would have fired {times} {over}, for {duration(preview.firing_s)} in all,"
        f" the longest for {duration(longest)}."
    )


def build_firings(preview: Preview, rule: Rule) -> Table:
    """Return the newest firings of a preview."""
    rows = [_firing_row(firing, preview, rule) for firing in preview.firings[:MAX_FIRINGS]]
    more = len(preview.firings) - len(rows)
    note = f"the newest {len(rows)}, {thousands(more)} more are older" if more else ""
    return Table("firings", "When", FIRING_COLUMNS, rows, note)


def _firing_row(firing: Firing, preview: Preview, rule: Rule) -> list[Cell]:
    threshold, at = rule.condition.threshold, datetime.fromtimestamp(firing.fired_s, UTC)
    lasted_s = preview.lasted_s(firing)
    peak = "" if firing.peak is None or threshold is None else threshold.describe(firing.peak)
    note = "still" if firing.ended_s is None else ""
    return [
        Cell(firing.subject.name),
        Cell(at=at, sort=at.isoformat()),
        Cell(duration(lasted_s), sort=lasted_s, note=note),
        Cell(peak),
    ]


def _count(count: int, noun: str) -> str:
    return f"{thousands(count)} {noun}" if count == 1 else f"{thousands(count)} {noun}s"
