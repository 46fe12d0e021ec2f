"""Label and sign of each event type; the sign repeats its colour. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EventType:
    """An event type. `sign` repeats its colour for readers who do not see colours."""

    event_type: str
    label: str
    sign: str


EVENT_TYPES = {
    each.event_type: each
    for each in (
        EventType("sent", "Sent", "↑"),
        EventType("received", "Received", "↓"),
        EventType("delivered", "Delivered", "✓"),
        EventType("deferred", "Deferred", "◷"),
        EventType("bounced", "Bounced", "✕"),
        EventType("rejected", "Rejected", "⊘"),
        EventType("greylisted", "Greylisted", "◐"),
        EventType("dropped", "Dropped", "⌫"),
    )
}
