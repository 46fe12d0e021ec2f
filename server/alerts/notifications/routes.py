"""Routes as they are stored: who is notified at once, and who later."""

from datetime import timedelta

from server.alerts.notifications.decisions import Route
from server.alerts.notifications.escalation import Plan, Step
from server.alerts.notifications.models import NotificationRoute


def read_routes() -> list[Route]:
    """Return the routes with the channels of their first step, in the order in which they are
    tried. One query. Raises django.db.Error."""
    return [
        Route(
            row.name,
            tuple(row.steps[0]["channels"]) if row.steps else (),
            rules=tuple(row.rules),
            severities=tuple(row.severities),
            node=row.node,
            subject=row.subject,
        )
        for row in NotificationRoute.objects.all()
    ]


def read_plans() -> list[Plan]:
    """Return the steps of the routes. One query. Raises django.db.Error."""
    return [
        Plan(
            row.name,
            tuple(
                Step(timedelta(minutes=step["after_min"]), tuple(step["channels"]))
                for step in row.steps
            ),
            timedelta(minutes=row.repeat_min),
        )
        for row in NotificationRoute.objects.all()
    ]
