"""Error pages, each with an id that is also in the log."""

import logging
import secrets
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

logger = logging.getLogger(__name__)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404 as a page of ours."""
    return _error(request, HTTPStatus.NOT_FOUND)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403 as a page of ours."""
    return _error(request, HTTPStatus.FORBIDDEN)


def server_error(request: HttpRequest) -> HttpResponse:
    """500 as a page of ours, with an id by which the traceback is found in the log."""
    return _error(request, HTTPStatus.INTERNAL_SERVER_ERROR)


def _error(request: HttpRequest, status: HTTPStatus) -> HttpResponse:
    """Answer an error page that carries an id, and write the same id to the log."""
    error_id = secrets.token_hex(4)
    log = logger.exception if status is HTTPStatus.INTERNAL_SERVER_ERROR else logger.warning
    log("Error page %s: %d for %r", error_id, status, request.path)
    return render(
        request,
        f"dashboard/shell/errors/{status.value}.html",
        {"error_id": error_id},
        status=status,
    )
