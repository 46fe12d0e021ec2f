"""Error pages, each with an id that is also in the log."""

import logging
import secrets
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

logger = logging.getLogger(__name__)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, HTTPStatus.NOT_FOUND)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, HTTPStatus.FORBIDDEN)


def server_error(request: HttpRequest) -> HttpResponse:
    return _error(request, HTTPStatus.INTERNAL_SERVER_ERROR)


def _error(request: HttpRequest, status: HTTPStatus) -> HttpResponse:
    """Answer an error page with the id by which the log, above all a traceback, is found."""
    error_id = secrets.token_hex(4)
    log = logger.exception if status is HTTPStatus.INTERNAL_SERVER_ERROR else logger.warning
    log("Error page %s: %d for %r", error_id, status, request.path)
    template = f"dashboard/shell/errors/{status.value}.html"
    return render(request, template, {"error_id": error_id}, status=status)
