"""Label and sign of each event type; the sign repeats its colour. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EventType:
    """An event type. `sign` repeats its colour for readers who do not see colours."""

    event_type: str
    label: str
    sign: str


_SIGNS = {
    "sent": "↑", "received": "↓", "delivered": "✓", "deferred": "◷", "bounced": "✕",
    "rejected": "⊘", "greylisted": "◐", "dropped": "⌫", "stored": "▣", "forwarded": "↪",
    "autoreplied": "↩", "duplicate": "⧉", "refused": "⊗", "login": "→", "login_failed": "⊣",
}  # fmt: skip
EVENT_TYPES = {
    name: EventType(name, name.replace("_", " ").capitalize(), sign)
    for name, sign in _SIGNS.items()
}
