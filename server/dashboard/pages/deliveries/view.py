"""The page of the log of deliveries."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from server.alerts.models import OutboxNotification
from server.alerts.notifications import queries
from server.dashboard.pages.deliveries import page
from server.dashboard.shell.page import render_page


def deliveries(request: HttpRequest) -> HttpResponse:
    """What was sent to whom, whether it arrived, and why not, the newest first."""
    if not request.user.has_perm("alerts.view_outboxnotification"):
        raise PermissionDenied
    wanted = page.parse_filter(request.GET)
    rows = page.build_rows(queries.deliveries(wanted))
    context = {
        "rows": rows,
        "wanted": wanted,
        "headline": page.build_headline(rows, wanted, queries.MAX_DELIVERIES),
        "states": OutboxNotification.Delivery.choices,
        "channels": queries.list_channel_names(),
    }
    return render_page(request, "deliveries/page", context)
