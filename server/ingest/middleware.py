"""Fast path of ingest requests, past sessions, CSRF, messages and the headers of pages.

They are most of the web process's work, carry a key and no cookie, and no browser shows their
answers.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from django.utils.http import http_date

from server.ingest.parsing.clock_skew import DATE_HEADER
from server.ingest.views import IngestView


class IngestFastPath:
    """Middleware: calls the ingest view of a POST itself, and passes everything else on.

    The paths are those of the URL configuration whose view is an IngestView.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._views = dict(_ingest_views(get_resolver().url_patterns, "/"))

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer ingest requests, with our clock and the length CommonMiddleware would give."""
        view = self._views.get(request.path_info)
        if view is None or request.method != "POST":
            return self._get_response(request)
        response: HttpResponse = view(request)
        if isinstance(response, SimpleTemplateResponse):  # DRF's, which renders late
            response.render()
        response.headers[DATE_HEADER] = http_date(timezone.now().timestamp())
        response.headers["Content-Length"] = str(len(response.content))
        return response


def _ingest_views(
    patterns: Iterable[URLPattern | URLResolver], prefix: str
) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the paths of all ingest views with the views."""
    for each in patterns:
        path = f"{prefix}{each.pattern}"
        if isinstance(each, URLResolver):
            yield from _ingest_views(each.url_patterns, path)
        elif issubclass(getattr(each.callback, "cls", object), IngestView):
            yield path, each.callback
