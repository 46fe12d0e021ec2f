"""Request ids, in every log line of a request and in its answer, so that both can be matched."""

import logging
import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase

HEADER = "X-Request-Id"
#: An id a proxy may set; anything else could forge log lines, and is replaced.
_VALID = re.compile(r"[A-Za-z0-9-]{8,64}\Z")
_current: ContextVar[str] = ContextVar("request_id", default="-")


class RequestIdMiddleware:
    """Middleware, the first: gives the request its id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Use the proxy's id or make one; send it back."""
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _VALID.match(given) else secrets.token_hex(8)
        token = _current.set(request_id)
        try:
            response = self._get_response(request)
        finally:
            _current.reset(token)
        response[HEADER] = request_id
        return response


class RequestIdFilter(logging.Filter):
    """Gives each record the `request_id` of its request, `-` outside of one."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = _current.get()
        return True
