"""Fast path of ingest requests, past sessions, CSRF, messages and the headers of pages.

They are most of the web process's work, carry a key and no cookie, and no browser shows their
answers.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.urls import reverse

from server.ingest.urls import urlpatterns


class IngestFastPath:
    """Middleware: calls the ingest view of a POST itself, and passes everything else on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._views = {reverse(str(each.name)): each.callback for each in urlpatterns}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer ingest requests, with the length CommonMiddleware would give them."""
        view = self._views.get(request.path_info)
        if view is None or request.method != "POST":
            return self._get_response(request)
        response: HttpResponse = view(request)
        if isinstance(response, SimpleTemplateResponse):  # DRF's, which renders late
            response.render()
        response.headers["Content-Length"] = str(len(response.content))
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
