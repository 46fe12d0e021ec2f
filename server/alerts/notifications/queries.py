"""Queries of routes, channels and deliveries: who is notified, and what became of it."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Prefetch

from server.alerts.models import OutboxNotification
from server.alerts.notifications.decisions import Route
from server.alerts.notifications.escalation import Plan, Step
from server.alerts.notifications.models import Channel, DeliveryAttempt, NotificationRoute

#: Rows of the log of deliveries on one page.
MAX_DELIVERIES = 200
_Delivery = OutboxNotification.Delivery


@dataclass(frozen=True)
class ChannelHealth:
    """A channel with its last attempt, the state of what that was about, and how many wait."""

    channel: Channel
    last: DeliveryAttempt | None
    last_state: str
    waiting: int


@dataclass(frozen=True)
class DeliveryFilter:
    """What of the log of deliveries is listed; empty: all."""

    channel: str = ""
    incident: int | None = None
    state: str = ""


def read_routes() -> list[Route]:
    """Return the routes with the channels of their first step, in the order in which they are
    tried. One query. Raises django.db.Error."""
    return [build_route(row) for row in NotificationRoute.objects.all()]


def build_route(row: NotificationRoute) -> Route:
    """Return a route with the channels of its first step. Pure."""
    return Route(
        row.name,
        tuple(row.steps[0]["channels"]) if row.steps else (),
        rules=tuple(row.rules),
        severities=tuple(row.severities),
        node=row.node,
        subject=row.subject,
    )


def read_plans() -> list[Plan]:
    """Return the steps of the routes. One query. Raises django.db.Error."""
    return [build_plan(row) for row in NotificationRoute.objects.all()]


def build_plan(row: NotificationRoute) -> Plan:
    """Return the steps of a route. Pure."""
    steps = (Step(timedelta(minutes=s["after_min"]), tuple(s["channels"])) for s in row.steps)
    return Plan(row.name, tuple(steps), timedelta(minutes=row.repeat_min))


def list_routes() -> list[NotificationRoute]:
    """Return the routes in the order in which they are tried. One query."""
    return list(NotificationRoute.objects.all())


def list_channel_names() -> list[str]:
    """Return the names of all channels. One query."""
    return list(Channel.objects.values_list("name", flat=True))


def list_enabled_channels() -> frozenset[str]:
    """Return the names of the channels that are switched on. One query."""
    return frozenset(Channel.objects.filter(is_enabled=True).values_list("name", flat=True))


def channel_health() -> list[ChannelHealth]:
    """Return all channels with what became of their last notification. Three queries."""
    attempts = (
        DeliveryAttempt.objects.select_related("notification")
        .order_by("notification__channel", "-at", "-pk")
        .distinct("notification__channel")
    )
    last = {each.notification.channel: each for each in attempts}
    open_rows = OutboxNotification.objects.filter(state__in=(_Delivery.WAITING, _Delivery.SENDING))
    counts = open_rows.order_by().values_list("channel").annotate(count=Count("pk"))
    waiting = dict(counts)
    return [
        ChannelHealth(
            channel,
            attempt := last.get(channel.name),
            attempt.notification.state if attempt else "",
            waiting.get(channel.name, 0),
        )
        for channel in Channel.objects.all()
    ]


def deliveries(wanted: DeliveryFilter) -> list[OutboxNotification]:
    """Return notifications with their attempts, the newest first. Two queries."""
    rows = OutboxNotification.objects.select_related("transition__alert")
    rows = rows.prefetch_related(Prefetch("attempts", DeliveryAttempt.objects.order_by("at", "pk")))
    if wanted.channel:
        rows = rows.filter(channel=wanted.channel)
    if wanted.incident is not None:
        rows = rows.filter(incident=wanted.incident)
    if wanted.state:
        rows = rows.filter(state=wanted.state)
    return list(rows.order_by("-created_at", "-pk")[:MAX_DELIVERIES])
