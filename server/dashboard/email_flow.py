"""Counters of the mail of the last 60 minutes: which ones a page shows, and how. Pure."""

from dataclasses import dataclass
from typing import Any

from server.dashboard.formats import percent, thousands


@dataclass(frozen=True)
class Kind:
    """One event type: `sign` says what its colour says, for those who do not see colours."""

    event_type: str
    label: str
    sign: str


@dataclass(frozen=True)
class Counter:
    """One big number. `share` is of the section's outcomes; None for what is no outcome."""

    direction: str
    kind: Kind
    count: int
    count_text: str
    share: str | None


@dataclass(frozen=True)
class Section:
    """The counters of one direction. `outcomes` are the types whose sum is 100 %."""

    direction: str
    title: str
    outcomes: tuple[str, ...]
    share_of: str
    counters: list[Counter]


KINDS = {
    kind.event_type: kind
    for kind in (
        Kind("sent", "Sent", "↑"),
        Kind("received", "Received", "↓"),
        Kind("delivered", "Delivered", "✓"),
        Kind("deferred", "Deferred", "◷"),
        Kind("bounced", "Bounced", "✕"),
        Kind("rejected", "Rejected", "⊘"),
        Kind("greylisted", "Greylisted", "◐"),
    )
}
TITLES = {"outbound": "Outbound", "inbound": "Inbound"}
OUTCOMES = {
    "outbound": ("delivered", "bounced", "deferred"),
    "inbound": ("delivered", "rejected", "greylisted", "deferred"),
}
#: What a percentage is of, in words that stand under the numbers.
SHARE_OF = {
    "outbound": "% of all delivery attempts that ended: delivered, bounced or deferred. "
    "A message deferred twice counts twice.",
    "inbound": "% of all recipients answered: delivered, rejected, greylisted or deferred. "
    "A sender that comes again is counted again.",
}


def section(direction: str, counts: dict[str, int]) -> Section:
    """Return the counters of one direction; `counts`: its events of the last 60 minutes by type."""
    outcomes = OUTCOMES[direction]
    decided = sum(counts[event_type] for event_type in outcomes)
    counters = [
        Counter(
            direction,
            KINDS[event_type],
            count,
            thousands(count),
            percent(count, decided) if event_type in outcomes else None,
        )
        for event_type, count in counts.items()
    ]
    return Section(direction, TITLES[direction], outcomes, SHARE_OF[direction], counters)


def has_mail(totals: dict[str, Any]) -> bool:
    """Return whether any mail was counted in the hour of these totals."""
    hour = totals["hour"]
    return any([*hour["inbound"].values(), *hour["outbound"].values()])
