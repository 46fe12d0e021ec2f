"""Answers while PostgreSQL or Redis does not: 503 in words, never a traceback."""

import logging
from http import HTTPStatus
from typing import Any

import redis
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin
from rest_framework.response import Response
from rest_framework.views import exception_handler as usual_handler

logger = logging.getLogger(__name__)

DATABASE_ERRORS = (OperationalError, InterfaceError)
RETRY_AFTER_S = 5
HEADERS = {"Retry-After": str(RETRY_AFTER_S), "Cache-Control": "no-store"}
TEMPLATE = "dashboard/shell/errors/503.html"


def is_away(error: Exception) -> bool:
    """Return whether this is for want of Redis or the database. A database that answers has refused
    something, which is another failure."""
    if isinstance(error, redis.RedisError):
        return True
    if not isinstance(error, DATABASE_ERRORS):
        return False
    try:
        connection.ensure_connection()
    except DatabaseError:
        return True
    return not connection.is_usable()


def describe(error: Exception) -> str:
    """Return which part does not answer, without what the error says: it may be for strangers."""
    part = "database" if isinstance(error, DATABASE_ERRORS) else "Redis"
    return f"{'The ' if part == 'database' else ''}{part} does not answer."


def answer(request: HttpRequest, error: Exception) -> HttpResponse:
    """Return the 503 to a program as JSON, to a person as a page."""
    # Not logger.exception: everybody who looks would add a traceback that says no more.
    logger.error("%s %s", describe(error), str(error).partition("\n")[0])
    status = HTTPStatus.SERVICE_UNAVAILABLE
    if _is_for_program(request):
        body = {"detail": f"{describe(error)} Try again later."}
        return JsonResponse(body, status=status, headers=HEADERS)
    response = render(request, TEMPLATE, {"what": describe(error)}, status=status)
    for name, value in HEADERS.items():
        response[name] = value
    return response


class UnavailableMiddleware(MiddlewareMixin):
    """Answers for views that need what does not answer."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return answer(request, exception) if is_away(exception) else None


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | HttpResponse | None:
    """Do the same for views of the REST framework."""
    if is_away(error):
        return answer(context["request"]._request, error)  # noqa: SLF001 (DRF's way to Django's)
    response: Response | None = usual_handler(error, context)
    return response


def _is_for_program(request: HttpRequest) -> bool:
    path = request.path_info
    return path.startswith("/api/") or path == "/metrics" or not request.accepts("text/html")
