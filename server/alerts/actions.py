"""Actions of people on incidents, rules and silences. Each is a row of its own, and safe to repeat.

Whoever calls checks the role and writes the audit log; signed links and pages act by these too.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction

from server.alerts.models import (
    MAX_WORDS_CHARS,
    Incident,
    IncidentNote,
    MutedRule,
    Severity,
    Silence,
)
from server.alerts.rules import active_rules

Kind = IncidentNote.Kind
#: What people do to an incident.
ACTIONS = ("acknowledge", "comment", "snooze", "reopen")
#: Lengths of a snooze that are offered.
SNOOZES = {"1h": timedelta(hours=1), "4h": timedelta(hours=4), "24h": timedelta(hours=24)}
MAX_SNOOZE, MAX_SILENCE = timedelta(days=30), timedelta(days=366)
#: Notes of one incident; more are refused.
MAX_NOTES = 1_000
_NUL = str.maketrans({"\0": "\N{REPLACEMENT CHARACTER}"})


class Refused(ValueError):
    """An action that makes no sense, and why. `field`: what of it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self.field = field


def acknowledge(incident: Incident, *, author: str, now: datetime, text: str = "") -> None:
    """Note that somebody looks after an incident: it is neither repeated nor escalated.

    Of two people the first one has it.
    """
    with transaction.atomic():
        is_first = Incident.objects.filter(pk=incident.pk, acknowledged_at=None).update(
            acknowledged_at=now, acknowledged_by=author
        )
        if is_first:
            _note(incident, Kind.ACKNOWLEDGED, author, now, text)
        elif text:
            _note(incident, Kind.COMMENT, author, now, text)


def snooze(
    incident: Incident, *, until: datetime, author: str, now: datetime, text: str = ""
) -> None:
    """Notify nobody of an incident until then. Raises Refused."""
    if not now < until <= now + MAX_SNOOZE:
        raise Refused("until", f"It must be later than now, and within {MAX_SNOOZE.days} days.")
    with transaction.atomic():
        Incident.objects.filter(pk=incident.pk).update(snoozed_until=until)
        words = f"until {until:%F %H:%M} UTC"
        _note(incident, Kind.SNOOZED, author, now, f"{words}: {text}" if text else words)


def reopen(incident: Incident, *, author: str, now: datetime, text: str = "") -> None:
    """Take an acknowledgement and a snooze back."""
    with transaction.atomic():
        Incident.objects.filter(pk=incident.pk).update(
            acknowledged_at=None, acknowledged_by="", snoozed_until=None
        )
        _note(incident, Kind.REOPENED, author, now, text)


def comment(incident: Incident, *, author: str, now: datetime, text: str) -> None:
    """Write something about an incident. Raises Refused."""
    if not text.strip():
        raise Refused("text", "Write something.")
    _note(incident, Kind.COMMENT, author, now, text)


def act(
    incident: Incident,
    action: str,
    *,
    author: str,
    now: datetime,
    text: str = "",
    until: datetime | None = None,
) -> None:
    """Do one of ACTIONS; `until` is of a snooze. Raises Refused."""
    if action == "snooze":
        snooze(incident, until=until or now, author=author, now=now, text=text)
        return
    functions: dict[str, Callable[..., None]] = {
        "acknowledge": acknowledge,
        "comment": comment,
        "reopen": reopen,
    }
    functions[action](incident, author=author, now=now, text=text)


def _note(incident: Incident, kind: str, author: str, now: datetime, text: str) -> None:
    if incident.notes.count() >= MAX_NOTES:
        raise Refused("text", f"This incident has {MAX_NOTES} notes already.")
    text = text.translate(_NUL)[:MAX_WORDS_CHARS]
    IncidentNote.objects.create(incident=incident, kind=kind, at=now, author=author, text=text)


def silence(
    *,
    ends_at: datetime,
    reason: str,
    author: str,
    now: datetime,
    rule: str = "",
    severity: str = "",
    node: str = "",
    subject: str = "",
) -> Silence:
    """Silence what the matchers match, all where they are empty, until then. Raises Refused."""
    if not now < ends_at <= now + MAX_SILENCE:
        raise Refused("ends_at", f"It must be later than now, and within {MAX_SILENCE.days} days.")
    if not reason.strip():
        raise Refused("reason", "Say why: others will wonder.")
    if rule and rule not in active_rules():
        raise Refused("rule", f"There is no rule {rule!r}.")
    if severity and severity not in Severity.values:
        raise Refused("severity", f"Write {' or '.join(Severity.values)}, or nothing for any.")
    return Silence.objects.create(
        rule=rule,
        severity=severity,
        node=node,
        subject=subject,
        starts_at=now,
        ends_at=ends_at,
        reason=reason.translate(_NUL)[:MAX_WORDS_CHARS],
        author=author,
    )


def end_silence(row: Silence, *, now: datetime) -> None:
    """End a silence now; one that has ended stays as it was."""
    ends_at = max(now, row.starts_at + timedelta(microseconds=1))
    Silence.objects.filter(pk=row.pk, ends_at__gt=now).update(ends_at=ends_at)


def mute(rule: str, *, reason: str, author: str, now: datetime) -> MutedRule:
    """Notify nobody of a rule until it is unmuted. Raises Refused."""
    if rule not in active_rules():
        raise Refused("rule", f"There is no rule {rule!r}.")
    if not reason.strip():
        raise Refused("reason", "Say why: others will wonder.")
    values = {"at": now, "author": author, "reason": reason.translate(_NUL)[:MAX_WORDS_CHARS]}
    row, _ = MutedRule.objects.update_or_create(rule=rule, defaults=values)
    return row


def unmute(rule: str) -> None:
    MutedRule.objects.filter(rule=rule).delete()
