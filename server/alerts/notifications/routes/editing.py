"""Editing of routes: validated by their form, audited. The only writer of them beside the admin."""

import json
from collections.abc import Mapping
from datetime import datetime, time
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION
from django.http import HttpRequest

from server.accounts import audit
from server.alerts.actions import Refused
from server.alerts.evaluator.causes import find_suppression
from server.alerts.models import Alert, MutedRule, NotificationRoute, Silence, State, Suppression
from server.alerts.notifications.forms import RouteForm
from server.nodes.models import Node

#: Each flip is compared with each of them.
MAX_ROUTES = 200


def read_fields(route: NotificationRoute) -> dict[str, Any]:
    """Return the fields of a route, by the names of its form and as they are typed."""
    fields = {name: getattr(route, name) for name in RouteForm.Meta.fields}
    times = {name: at for name, at in fields.items() if isinstance(at, time)}
    return fields | {name: f"{at:%H:%M:%S}".removesuffix(":00") for name, at in times.items()}


def make_form(route: NotificationRoute, fields: Mapping[str, Any]) -> RouteForm:
    """Return the form of a route with these fields, of which `steps` is a list."""
    return RouteForm({**fields, "steps": json.dumps(fields.get("steps"))}, instance=route)


def save_form(request: HttpRequest, form: RouteForm) -> NotificationRoute:
    """Store a valid form, in the caller's transaction, with its log. Raises Refused."""
    is_new = form.instance.pk is None
    if is_new and NotificationRoute.objects.count() >= MAX_ROUTES:
        raise Refused("name", f"There are {MAX_ROUTES} routes already: change or delete one.")
    row = form.save()
    message = "Made." if is_new else audit.describe_changes(form)
    audit.note(request, row, message, flag=ADDITION if is_new else CHANGE)
    return row


def save_route(
    request: HttpRequest, route: NotificationRoute, fields: Mapping[str, Any]
) -> NotificationRoute:
    """Store a route with these fields. Raises Refused, which names the field and the fix."""
    form = make_form(route, fields)
    for name, errors in form.errors.items():
        raise Refused("name" if name == "__all__" else name, " ".join(map(str, errors)))
    return save_form(request, form)


def delete_route(request: HttpRequest, route: NotificationRoute) -> None:
    """Delete a route, with its log. What it has decided already is sent."""
    audit.note(request, route, "Deleted.", flag=DELETION)
    route.delete()


def read_suppression(
    *, rule: str, severity: str, subject: str, node: str, now: datetime
) -> Suppression:
    """Return why nobody would be notified of an alert that fires now. Three queries."""
    alert = Alert(
        rule=rule, severity=severity, subject=subject, node=node, state=State.FIRING, fired_at=now
    )
    return find_suppression(
        alert,
        cause=None,
        muted=set(MutedRule.objects.values_list("rule", flat=True)),
        in_maintenance=set(
            Node.objects.filter(in_maintenance=True, name=node).values_list("name", flat=True)
        ),
        silences=list(Silence.objects.filter(starts_at__lte=now, ends_at__gt=now)),
        snoozed_until=None,
        now=now,
    )
