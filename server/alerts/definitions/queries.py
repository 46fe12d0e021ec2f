"""Queries of rules and their changes; the only reader for pages and the API."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q

from server.alerts.evaluator.causes import is_silenced
from server.alerts.models import Alert, MutedRule, RuleChange, Silence
from server.alerts.rules import RuleEntry, read_rules

#: Alerts are counted over this time.
COUNTED = timedelta(days=30)
MAX_CHANGES, MAX_HIDDEN = 50, 2_000


@dataclass(frozen=True)
class RuleState:
    """A rule with its mute, and how many of its alerts fire now and fired in COUNTED."""

    entry: RuleEntry
    mute: MutedRule | None = None
    firing_count: int = 0
    fired_count: int = 0


def rule_states(now: datetime) -> dict[str, RuleState]:
    """Return all rules by name; three queries."""
    mutes = {mute.rule: mute for mute in MutedRule.objects.all()}
    rows = Alert.objects.filter(fired_at__gt=now - COUNTED).values_list("rule").order_by()
    counts = rows.annotate(now=Count("pk", filter=Q(ended_at=None)), all=Count("pk"))
    by_rule = {rule: (firing, fired) for rule, firing, fired in counts}
    return {
        name: RuleState(entry, mutes.get(name), *by_rule.get(name, (0, 0)))
        for name, entry in read_rules().items()
    }


def rule_changes(name: str) -> list[RuleChange]:
    """Return who changed a rule, the newest first."""
    return list(RuleChange.objects.filter(rule=name)[:MAX_CHANGES])


def find_hidden(silence: Silence) -> list[Alert]:
    """Return the alerts that fire now and that a silence matches."""
    firing = Alert.objects.filter(ended_at=None, fired_at__isnull=False).order_by("rule", "subject")
    return [alert for alert in firing[:MAX_HIDDEN] if is_silenced(alert, silence)]
