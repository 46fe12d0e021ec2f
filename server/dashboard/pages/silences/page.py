"""Rows and form of the page of silences. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from server.alerts.models import MAX_NAME_CHARS, MAX_SUBJECT_CHARS, Alert, Silence
from server.formats import thousands

#: Lengths that are offered, the first one chosen.
LENGTHS = {
    "1h": timedelta(hours=1), "4h": timedelta(hours=4), "24h": timedelta(days=1),
    "7d": timedelta(days=7), "30d": timedelta(days=30),
}  # fmt: skip
#: Field → the most characters of it.
MATCHERS = {
    "rule": MAX_NAME_CHARS, "severity": 16, "node": 64, "subject": MAX_SUBJECT_CHARS
}  # fmt: skip
#: Alerts that are named; all are counted.
MAX_NAMED = 5


@dataclass(frozen=True)
class Row:
    """A silence in a list. `what`: its matchers as words."""

    silence: Silence
    what: str
    is_pending: bool


def build_rows(silences: Iterable[Silence], now: datetime) -> list[Row]:
    return [Row(one, describe_matchers(one), one.starts_at > now) for one in silences]


def describe_matchers(silence: Silence) -> str:
    """Return what a silence matches: "rule cpu_high, node mta-*"."""
    parts = [f"{name} {value}" for name in MATCHERS if (value := getattr(silence, name))]
    return ", ".join(parts) or "everything"


def build_headline(rows: Sequence[Row]) -> str:
    active = [row for row in rows if not row.is_pending]
    if not active:
        return "Nothing is silenced: every alert goes its way."
    silences = "silence is" if len(active) == 1 else "silences are"
    text = f"{thousands(len(active))} {silences} in force"
    if any(row.what == "everything" for row in active):
        return f"{text}, of everything: nobody is notified of anything."
    return f"{text}."


def read_matchers(query: Mapping[str, str]) -> dict[str, str]:
    """Return the matchers that were typed, bounded."""
    return {name: query.get(name, "")[:bound] for name, bound in MATCHERS.items()}


def describe_hidden(hidden: Sequence[Alert], matchers: Mapping[str, Any]) -> str:
    """Return what a silence would hide now."""
    what = "This" if any(matchers.values()) else "Without a matcher it matches everything, and"
    if not hidden:
        return f"{what} would hide no alert that fires now."
    if len(hidden) == 1:
        return f"{what} would hide 1 alert that fires now:"
    return f"{what} would hide {thousands(len(hidden))} alerts that fire now:"
