"""The pages of routes: all of them with who would be woken now, and the form of one."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from server.alerts import queries as alert_queries
from server.alerts.actions import Refused
from server.alerts.models import NotificationRoute, Severity, Suppression
from server.alerts.notifications import queries
from server.alerts.notifications.routes import editing
from server.alerts.notifications.routes.preview import make_flip, preview_wakes
from server.alerts.rules import active_rules
from server.dashboard.pages.channels.page import build_route_row
from server.dashboard.pages.routes import page
from server.dashboard.shell.page import render_page

#: Open alerts that are offered for the preview.
MAX_OFFERED = 20


def routes(request: HttpRequest) -> HttpResponse:
    """All routes in their order, and who would be woken by an alert now."""
    _require(request, "view")
    rows = queries.list_routes()
    context = {
        "routes": [build_route_row(route) for route in rows],
        "can_change": request.user.has_perm("alerts.change_notificationroute"),
        "open_alerts": alert_queries.alerts(state="firing", limit=MAX_OFFERED),
    }
    return render_page(request, "routes/page", context | _preview(request, rows))


def _preview(request: HttpRequest, rows: list[NotificationRoute]) -> dict[str, Any]:
    """Return the alert of the query, and who would be notified of it."""
    rules, chosen, now = active_rules(), page.read_alert(request.GET), timezone.now()
    rule = rules.get(chosen["rule"])
    wakes, suppression = [], Suppression.NONE
    if rule is not None:
        fields = {"severity": str(rule.severity), **chosen}
        wakes = preview_wakes(
            make_flip(**fields, now=now), rows, queries.list_enabled_channels(), now
        )
        suppression = editing.read_suppression(**fields, now=now)
    level, text = page.describe_wakes(wakes, suppression, is_chosen=rule is not None)
    return {
        "rules": sorted(rules),
        "chosen": chosen,
        "severity": rule.severity if rule else "",
        "wakes_level": level,
        "wakes_text": text,
        "wakes": page.build_wakes([] if suppression else wakes),
    }


@require_http_methods(["GET", "HEAD", "POST"])
def new_route(request: HttpRequest) -> HttpResponse:
    """The form of a new route, which comes after the others."""
    _require(request, "add")
    last = NotificationRoute.objects.last()
    position = last.position + 10 if last else 10
    return _edit(request, NotificationRoute(position=position, steps=list(page.DEFAULT_STEPS)))


@require_http_methods(["GET", "HEAD", "POST"])
def route(request: HttpRequest, pk: int) -> HttpResponse:
    """The form of a route."""
    _require(request, "change")
    return _edit(request, get_object_or_404(NotificationRoute, pk=pk))


@require_POST
def delete_route(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a route and show the others."""
    _require(request, "delete")
    with transaction.atomic():
        editing.delete_route(request, get_object_or_404(NotificationRoute, pk=pk))
    return _show_all(request)


def _edit(request: HttpRequest, row: NotificationRoute) -> HttpResponse:
    """Show the form of a route, or store what it has and show all routes."""
    is_new, name = row.pk is None, row.name
    fields = page.read_form(request.POST) if request.method == "POST" else editing.read_fields(row)
    form = editing.make_form(row, fields)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                editing.save_form(request, form)
            return _show_all(request)
        except Refused as refusal:
            form.add_error(refusal.field, str(refusal))
    errors = form.errors if request.method == "POST" else {}
    context = {
        "fields": fields,
        "errors": {name: " ".join(map(str, each)) for name, each in errors.items()},
        "row": row,
        "name": name,
        "is_new": is_new,
        "steps": page.build_steps(fields["steps"], queries.list_channel_names()),
        "rules": sorted({*active_rules(), *fields["rules"]}),
        "severities": Severity.values,
    }
    return render_page(request, "routes/form", context)


def _show_all(request: HttpRequest) -> HttpResponse:
    answer = redirect("route-list")
    answer["Location"] += f"?{request.GET.urlencode()}" if request.GET else ""
    return answer


def _require(request: HttpRequest, action: str) -> None:
    if not request.user.has_perm(f"alerts.{action}_notificationroute"):
        raise PermissionDenied
