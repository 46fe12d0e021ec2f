"""The page of channels, the form of one, and the test of one."""

from django.core.exceptions import PermissionDenied
from django.forms import CheckboxInput
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from server.accounts.audit import note
from server.alerts.notifications import queries, smtp, store
from server.alerts.notifications.channels import KINDS
from server.alerts.notifications.forms import describe_changes, find_warning, make_channel_form
from server.alerts.notifications.models import Channel
from server.dashboard.pages.channels import page
from server.dashboard.shell.page import render_page


def channels(request: HttpRequest) -> HttpResponse:
    """All channels with what became of their last notification, and the routes that use them."""
    _require(request, "view_channel")
    routes = queries.list_routes()
    health = queries.channel_health()
    rows = page.build_rows(health, routes, smtp.warn_by_name([each.channel for each in health]))
    level, headline = page.build_headline(rows, routes)
    context = {
        "rows": rows,
        "level": level,
        "headline": headline,
        "routes": [page.build_route_row(route) for route in routes],
        "can_route": request.user.has_perm("alerts.change_notificationroute"),
        "kinds": KINDS.values(),
        "can_change": request.user.has_perm("alerts.change_channel"),
    }
    return render_page(request, "channels/page", context)


@require_http_methods(["GET", "HEAD", "POST"])
def new_channel(request: HttpRequest, kind: str) -> HttpResponse:
    """The form of a new channel of a kind."""
    _require(request, "add_channel")
    if kind not in KINDS:
        raise Http404("no such kind")
    return _edit(request, Channel(kind=kind))


@require_http_methods(["GET", "HEAD", "POST"])
def channel(request: HttpRequest, pk: int) -> HttpResponse:
    """The form of a channel. Secrets are entered and never shown."""
    _require(request, "change_channel")
    row = get_object_or_404(Channel, pk=pk)
    if row.kind not in KINDS:
        raise Http404("its kind is not installed here")
    return _edit(request, row)


@require_POST
def send_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a test by a channel, the same way as the real thing, and show its log."""
    _require(request, "change_channel")
    row = get_object_or_404(Channel, pk=pk)
    store.send_test(row, timezone.now())
    note(request, row, "Sent a test.")
    address = redirect("deliveries")
    query = request.GET.copy()
    query["channel"] = row.name
    address["Location"] += f"?{query.urlencode()}"
    return address


def _edit(request: HttpRequest, row: Channel) -> HttpResponse:
    """Show the form of a channel, or store what it has and show all channels."""
    is_new = row.pk is None
    form = make_channel_form(row.kind)(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        form.save()
        note(request, row, "Made." if is_new else describe_changes(form))
        address = redirect("channel-list")
        address["Location"] += f"?{request.GET.urlencode()}" if request.GET else ""
        return address
    for field in form.fields.values():
        is_box = isinstance(field.widget, CheckboxInput)
        field.widget.attrs["class"] = "form-check-input" if is_box else "form-control"
    context = {
        "form": form,
        "row": row,
        "kind": KINDS[row.kind],
        "is_new": is_new,
        "warning": "" if is_new else find_warning(row),
    }
    return render_page(request, "channels/form", context)


def _require(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(f"alerts.{permission}"):
        raise PermissionDenied
