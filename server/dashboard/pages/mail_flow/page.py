"""Counters of the mail of the last 60 minutes: which ones a page shows, and how. Pure."""

from dataclasses import dataclass

from server.dashboard.shell.event_types import EVENT_TYPES, EventType
from server.events.vocabulary import OUTCOMES
from server.formats import percent


@dataclass(frozen=True)
class Counter:
    """One big number. `share` is of the section's outcomes; None for what is no outcome."""

    kind: EventType
    count: int
    share: str | None


@dataclass(frozen=True)
class Section:
    """The counters of one direction. `outcomes` are the types whose sum is 100 %."""

    direction: str
    outcomes: tuple[str, ...]
    share_of: str
    counters: list[Counter]


#: What a percentage is of, in words that stand under the numbers.
SHARE_OF = {
    "outbound": "% of all delivery attempts that ended: delivered, bounced or deferred. "
    "A message deferred twice counts twice.",
    "inbound": "% of all recipients answered: delivered, rejected, greylisted or deferred. "
    "A sender that comes again is counted again. "
    "Delivered includes mail that was marked as spam; the chart shows that apart.",
}


def build_section(direction: str, counts: dict[str, int]) -> Section:
    """Return the counters of one direction; `counts`: its events of the last 60 minutes by type."""
    outcomes = OUTCOMES[direction]
    decided = sum(counts[event_type] for event_type in outcomes)
    counters = [
        Counter(
            EVENT_TYPES[event_type],
            count,
            percent(count, decided) if event_type in outcomes else None,
        )
        for event_type, count in counts.items()
    ]
    return Section(direction, outcomes, SHARE_OF[direction], counters)
