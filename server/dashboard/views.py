"""Pages for people. Each asks one question of another room and renders the answer."""

import logging
import secrets
from http import HTTPStatus

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from server.dashboard import email_flow
from server.dashboard.frame import framed
from server.live import messages

logger = logging.getLogger(__name__)


@require_safe
@login_required
def outbound(request: HttpRequest) -> HttpResponse:
    """Mail going out: what became of it, how fast, by which node."""
    return _email_flow(request, "outbound")


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
