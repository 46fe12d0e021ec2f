"""Pages for people. Each asks one question of another room and renders the answer."""

import logging
import secrets
from http import HTTPStatus

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from server.dashboard import email_flow as page
from server.dashboard.context import demo_history_until
from server.dashboard.verdict import verdict
from server.live import messages

logger = logging.getLogger(__name__)


@require_safe
@login_required
def email_flow(request: HttpRequest) -> HttpResponse:
    """Counters, live rate, the last 24 hours. Painted with numbers; the live process moves them."""
    totals = messages.totals_now()
    until = demo_history_until()
    context = {
        "totals": totals,
        "page_module": "dashboard/js/email_flow.js",
        "verdict": verdict(totals),
        "sections": page.sections(totals["hour"]),
        "is_empty": page.is_empty(totals),
        "facts": {
            "totals": totals,
            "offline_after_s": settings.NODE_OFFLINE_AFTER_S,
            "live_url": settings.LIVE_URL,
            "demo_history_until": until and until.isoformat(),
        },
    }
    response = render(request, "dashboard/email_flow.html", context)
    # Numbers of a moment: going back to the page asks again.
    response["Cache-Control"] = "no-store"
    return response


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
