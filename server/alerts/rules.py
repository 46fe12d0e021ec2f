"""Rules in force: those on by default, and what people defined instead of them or beside them."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from server.alerts.conditions.catalogue import DEFAULT_RULES
from server.alerts.conditions.condition import Rule
from server.alerts.conditions.parameters import BadRule
from server.alerts.definitions.parser import parse_definition
from server.alerts.models import RuleDefinition

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RuleEntry:
    """A rule, and whether it is on. `definition`: the row that defines it, None: it is as by
    default. `problem`: why that row cannot be read; the default is in force then."""

    rule: Rule
    is_enabled: bool = True
    definition: RuleDefinition | None = None
    problem: str = ""

    @property
    def source(self) -> str:
        """Where it comes from: default, form or file."""
        if self.definition is None:
            return "default"
        return "file" if self.definition.file else "form"

    @property
    def file(self) -> str:
        """The file that defines it; empty where none does."""
        return self.definition.file if self.definition else ""

    @property
    def is_own(self) -> bool:
        """Whether it is no default rule, so that it goes with its definition."""
        return self.rule.name not in DEFAULT_RULES


def read_rules() -> dict[str, RuleEntry]:
    """Return all rules by name, those that are off too; one query."""
    return build_entries(RuleDefinition.objects.order_by("name"))


def active_rules() -> dict[str, Rule]:
    """Return the rules that are evaluated, by name; one query."""
    return find_enabled(read_rules())


def build_entries(rows: Iterable[RuleDefinition]) -> dict[str, RuleEntry]:
    """Return all rules, of which these rows define some."""
    entries = {name: RuleEntry(rule) for name, rule in DEFAULT_RULES.items()}
    for row in rows:
        try:
            definition = parse_definition(row.name, row.fields, f"[{row.name}]")
        except BadRule as error:  # of another version
            logger.warning("The definition of a rule cannot be read: %s", error)
            if default := DEFAULT_RULES.get(row.name):
                entries[row.name] = RuleEntry(default, True, row, str(error))
            continue
        entries[row.name] = RuleEntry(definition.rule, definition.is_enabled, row)
    return entries


def find_enabled(entries: Mapping[str, RuleEntry]) -> dict[str, Rule]:
    """Return the rules that are on."""
    return {name: entry.rule for name, entry in entries.items() if entry.is_enabled}
