"""Pages for people. Each asks one question of another room and renders the answer."""

import logging
import secrets
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.utils import timezone
from django.views.decorators.http import require_safe

from server.alerts.problems import facts
from server.dashboard import email_flow
from server.dashboard import overview as page
from server.dashboard.frame import asked, framed
from server.dashboard.performance import gauges
from server.dashboard.spans import whole
from server.live import messages
from server.rollups.histogram import NOTHING
from server.rollups.mail.queries import delivery_times

logger = logging.getLogger(__name__)


@require_safe
@login_required
def overview(request: HttpRequest) -> HttpResponse:
    """Is anything wrong, since when, where."""
    found = _overview_facts()
    totals = {**messages.totals_now(), **{name: found[name] for name in ("findings", "complete")}}
    context = {"found": found, "tiles": page.tiles(totals, found)}
    module = "dashboard/js/overview.js"
    return framed(request, "dashboard/overview.html", context, module=module, totals=totals)


@require_safe
@login_required
def overview_facts(request: HttpRequest) -> HttpResponse:
    """What the open page asks again for: the facts that are not in the live frames."""
    response = JsonResponse(_overview_facts())
    response["Cache-Control"] = "no-store"
    return response


def _overview_facts() -> dict[str, Any]:
    now = timezone.now()
    return page.told(facts(now), page.yesterday(now), now=now)


@require_safe
@login_required
def outbound(request: HttpRequest) -> HttpResponse:
    """Mail going out: what became of it, how fast, by which node."""
    return _email_flow(request, "outbound")


@require_safe
@login_required
def inbound(request: HttpRequest) -> HttpResponse:
    """Mail coming in: what became of it, who refused it and by what marks."""
    return _email_flow(request, "inbound")


@require_safe
@login_required
def performance(request: HttpRequest) -> HttpResponse:
    """How long deliveries take, where they take long, and how large messages are."""
    over = whole(asked(request.GET), "outbound", now=timezone.now())
    times = [found.times for found in delivery_times(over)]
    context = {"gauges": gauges(times[0] if times else NOTHING)}
    module = "dashboard/js/performance.js"
    return framed(request, "dashboard/performance.html", context, module=module)


def _email_flow(request: HttpRequest, direction: str) -> HttpResponse:
    """Answer the page of one direction; its counters are of the moment of the first paint."""
    totals = messages.totals_now()
    context = {"section": email_flow.section(direction, totals["hour"][direction])}
    return framed(
        request,
        f"dashboard/{direction}.html",
        context,
        module=f"dashboard/js/{direction}.js",
        totals=totals,
    )


@require_safe
def icon(request: HttpRequest) -> HttpResponse:
    """The icon of pages that name none, such as those of the admin."""
    return redirect(static("dashboard/img/mallard.svg"))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404 in our own words."""
    return _error(request, HTTPStatus.NOT_FOUND)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403 in our own words."""
    return _error(request, HTTPStatus.FORBIDDEN)


def server_error(request: HttpRequest) -> HttpResponse:
    """500 in our own words, with an id by which the traceback is found in the log."""
    return _error(request, HTTPStatus.INTERNAL_SERVER_ERROR)


def _error(request: HttpRequest, status: HTTPStatus) -> HttpResponse:
    """Answer an error page that carries an id, and write the same id to the log."""
    error_id = secrets.token_hex(4)
    log = logger.exception if status is HTTPStatus.INTERNAL_SERVER_ERROR else logger.warning
    log("Error page %s: %d for %r", error_id, status, request.path)
    return render(request, f"{status.value}.html", {"error_id": error_id}, status=status)
