"""Rows of the log of deliveries, and its filters. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from server.alerts.models import OutboxNotification
from server.alerts.notifications.models import DeliveryAttempt
from server.alerts.notifications.queries import DeliveryFilter
from server.formats import thousands

Delivery = OutboxNotification.Delivery
MAX_INCIDENT = 2**63 - 1


@dataclass(frozen=True)
class Row:
    """A notification with its attempts, the newest first."""

    notification: OutboxNotification
    level: str
    text: str
    attempts: Sequence[DeliveryAttempt]


def parse_filter(query: Mapping[str, str]) -> DeliveryFilter:
    """Return the filter of a URL; what is none counts as absent."""
    number = query.get("incident", "")
    is_number = number.isascii() and number.isdigit() and len(number) < len(str(MAX_INCIDENT))
    state = query.get("state", "")
    return DeliveryFilter(
        channel=query.get("channel", "").replace("\0", "")[:64],
        incident=int(number) if is_number else None,
        state=state if state in Delivery.values else "",
    )


def build_rows(notifications: Iterable[OutboxNotification]) -> list[Row]:
    return [
        Row(each, _find_level(each), _describe(each), list(each.attempts.all())[::-1])
        for each in notifications
    ]


def build_headline(rows: Sequence[Row], wanted: DeliveryFilter, limit: int) -> str:
    """Return the sentence of what is listed."""
    if not rows:
        is_filtered = any(vars(wanted).values())
        return "Nothing of this kind was sent." if is_filtered else "Nothing was sent yet."
    count = thousands(len(rows))
    noun = "notification" if len(rows) == 1 else "notifications"
    text = f"The newest {count} {noun}" if len(rows) == limit else f"{count} {noun}"
    given_up = sum(row.notification.state == Delivery.GIVEN_UP for row in rows)
    waiting = sum(row.notification.sent_at is None for row in rows) - given_up
    more = [f"{thousands(given_up)} given up"] if given_up else []
    more += [f"{thousands(waiting)} not there yet"] if waiting else []
    return f"{text}{', ' if more else ''}{', '.join(more)}"


def _find_level(row: OutboxNotification) -> str:
    if row.state == Delivery.SENT:
        return "warning" if row.last_error else "ok"
    if row.state == Delivery.GIVEN_UP:
        return "critical"
    return "warning" if row.last_error else "none"


def _describe(row: OutboxNotification) -> str:
    if row.transition is None:
        return "a test of the channel"
    return row.transition.text or row.transition.alert.text
