"""Decision of who is notified of a flip. Pure.

`decide_notifications` is the seam between the evaluator, which calls it in the transaction of the
flip and stores what it returns as rows of the outbox, and the routes and channels, which say where
notifications go.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from server.alerts.matchers import matches_pattern
from server.alerts.models import OutboxNotification, State, Suppression

Kind = OutboxNotification.Kind
KEY_CHARS = 32


@dataclass(frozen=True)
class Flip:
    """A flip, as much of it as decides. `alert_id` and `started_at` name the alert for good;
    `was_notified`: whether a notification of it was decided before."""

    alert_id: int
    rule: str
    severity: str
    kind: str
    subject: str
    node: str
    at: datetime
    to_state: str
    suppression: str = Suppression.NONE
    was_notified: bool = False


@dataclass(frozen=True)
class Route:
    """Matchers and the channels to which what they match goes. An empty matcher matches everything;
    in `node` and `subject`, `*` stands for any text."""

    name: str
    channels: tuple[str, ...]
    rules: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    node: str = ""
    subject: str = ""

    def matches(self, flip: Flip) -> bool:
        return (
            (not self.rules or flip.rule in self.rules)
            and (not self.severities or flip.severity in self.severities)
            and matches_pattern(flip.node, self.node)
            and matches_pattern(flip.subject, self.subject)
        )


@dataclass(frozen=True)
class Draft:
    """A notification to store in the outbox."""

    kind: str
    route: str
    channel: str
    idempotency_key: str


def find_kind(flip: Flip) -> str | None:
    """Return what a flip is to the people who are notified; None: they are not.

    An all-clear goes only to those who know of the alert, suppressed or not.
    """
    if flip.to_state == State.OK:
        return Kind.RESOLVED if flip.was_notified else None
    if flip.to_state != State.FIRING or flip.suppression or flip.was_notified:
        return None
    return Kind.FIRING


def decide_notifications(flip: Flip, routes: Sequence[Route]) -> list[Draft]:
    """Return the notifications of a flip: one for each channel, by the first route that names it.

    Its key is made of the alert, the kind and the channel, so that the same flip decided again
    gives the same key.
    """
    kind = find_kind(flip)
    if kind is None:
        return []
    drafts: dict[str, Draft] = {}
    for route, channel in _matching(flip, routes):
        key = make_key(flip.alert_id, kind, channel)
        drafts.setdefault(channel, Draft(kind, route, channel, key))
    return list(drafts.values())


def make_key(alert_id: int, kind: str, channel: str, number: int = 0) -> str:
    """Return the idempotency key of a notification. `number`: of those that repeat."""
    content = "\0".join((str(alert_id), kind, channel, str(number)))
    return hashlib.sha256(content.encode()).hexdigest()[:KEY_CHARS]


def _matching(flip: Flip, routes: Iterable[Route]) -> Iterator[tuple[str, str]]:
    for route in routes:
        if route.matches(flip):
            for channel in route.channels:
                yield route.name, channel
