"""Storage of definitions: the only writer of rules. Each change is noted with who made it."""

from collections.abc import Mapping
from datetime import datetime

from django.db import connection, transaction

from server.alerts.actions import Refused
from server.alerts.conditions.catalogue import DEFAULT_RULES
from server.alerts.definitions.changes import Change, compare, compare_all
from server.alerts.definitions.files import MAX_RULES
from server.alerts.definitions.parser import Definition
from server.alerts.models import MAX_WORDS_CHARS, RuleChange, RuleDefinition
from server.alerts.rules import RuleEntry, read_rules

#: Any number; the same in all processes, and no other advisory lock's.
LOCK = 0x72756C65


def save_definition(definition: Definition, *, author: str, now: datetime) -> Change | None:
    """Store what the form or the API defines; return what that changed. Raises Refused."""
    name = definition.rule.name
    with transaction.atomic():
        _lock()
        rules = read_rules()
        before = rules.get(name)
        _refuse_file(before)
        if before is None and sum(entry.is_own for entry in rules.values()) >= MAX_RULES:
            raise Refused("name", f"There are {MAX_RULES} rules of your own already.")
        after = _entry(definition, author, now)
        change = compare(before, after, name)
        if change:
            _write(name, after, change, author, now)
    return change


def remove_definition(name: str, *, author: str, now: datetime) -> Change | None:
    """Let a rule be as by default again, or remove one that is none; return what that changed.
    Raises Refused."""
    with transaction.atomic():
        _lock()
        before = read_rules().get(name)
        _refuse_file(before)
        after = RuleEntry(DEFAULT_RULES[name]) if name in DEFAULT_RULES else None
        change = compare(before, after, name)
        if change:
            _write(name, after, change, author, now)
    return change


def load_definitions(
    wanted: Mapping[str, tuple[str, Definition]], *, author: str, now: datetime
) -> list[Change]:
    """Make the definitions of files those of `wanted` (name → file, definition), in one
    transaction. Rules of the form stay where no file defines them; return what changed."""
    with transaction.atomic():
        _lock()
        before = read_rules()
        after = plan_load(before, wanted, author=author, now=now)
        changes = list(compare_all(before, after))
        for change in changes:
            _write(change.rule, after.get(change.rule), change, author, now)
    return changes


def plan_load(
    before: Mapping[str, RuleEntry],
    wanted: Mapping[str, tuple[str, Definition]],
    *,
    author: str,
    now: datetime,
) -> dict[str, RuleEntry]:
    """Return the rules as they would be after a load."""
    after = {name: RuleEntry(rule) for name, rule in DEFAULT_RULES.items()}
    after |= {name: entry for name, entry in before.items() if entry.source == "form"}
    for name, (file, definition) in wanted.items():
        after[name] = _entry(definition, author, now, file)
    return after


def _entry(definition: Definition, author: str, now: datetime, file: str = "") -> RuleEntry:
    row = RuleDefinition(
        name=definition.rule.name,
        fields=dict(definition.fields),
        file=file,
        changed_at=now,
        author=author,
    )
    return RuleEntry(definition.rule, definition.is_enabled, row)


def _refuse_file(entry: RuleEntry | None) -> None:
    if entry is not None and entry.file:
        raise Refused("name", f"The file {entry.file} defines it: change it there, and load it.")


def _lock() -> None:
    """Wait for another change of rules to be over: it takes milliseconds."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '10s'")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def _write(name: str, entry: RuleEntry | None, change: Change, author: str, now: datetime) -> None:
    row = entry.definition if entry else None
    if row is None:
        RuleDefinition.objects.filter(name=name).delete()
    else:
        values = {"fields": row.fields, "file": row.file, "changed_at": now, "author": author}
        RuleDefinition.objects.update_or_create(name=name, defaults=values)
    RuleChange.objects.create(rule=name, at=now, author=author, text=change.text[:MAX_WORDS_CHARS])
