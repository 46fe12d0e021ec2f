"""The short way of the door's requests: past sessions, CSRF, messages and the headers of pages.

They are most of what the web process does, they carry a key and no cookie, and nobody looks at
their answers in a browser. docs/performance.md says what it gave.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.urls import reverse

from server.ingest.urls import urlpatterns


class DoorFirst:
    """Middleware: hands a POST to the door's view itself, and everything else on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._views = {reverse(str(each.name)): each.callback for each in urlpatterns}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the door's requests, with the length CommonMiddleware would give them."""
        view = self._views.get(request.path_info)
        if view is None or request.method != "POST":
            return self._get_response(request)
        response: HttpResponse = view(request)
        if isinstance(response, SimpleTemplateResponse):  # DRF's, which renders late
            response.render()
        response.headers["Content-Length"] = str(len(response.content))
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
