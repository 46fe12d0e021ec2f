"""Answers that several readers ask for at once are made once; who has it already is told so."""

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpResponse, HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.utils.http import parse_etags
from rest_framework.request import Request
from rest_framework.response import Response

from server.http.json_renderer import JSONRenderer

Get = Callable[..., Response]


def kept_shortly(get: Get) -> Callable[..., HttpResponseBase]:
    """Keep what a view answers for READ_CACHE_SECONDS in this process, and give it an ETag.

    For answers that are the same for everybody who may read. Refusals are not kept: they are
    raised.
    """

    @wraps(get)
    def answer(view: Any, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        key = f"read:{hashlib.sha256(request.get_full_path().encode()).hexdigest()}"
        kept: tuple[str, bytes] | None = cache.get(key) if settings.READ_CACHE_SECONDS else None
        if kept is None:
            body: bytes = JSONRenderer().render(get(view, request, *args, **kwargs).data)
            kept = f'"{hashlib.sha256(body).hexdigest()[:32]}"', body
            cache.set(key, kept, settings.READ_CACHE_SECONDS)
        etag, body = kept
        known = parse_etags(request.headers.get("If-None-Match", ""))
        response: HttpResponseBase = (
            HttpResponseNotModified()
            if etag in known or "*" in known
            else HttpResponse(body, content_type="application/json")
        )
        response.headers["ETag"] = etag
        # Kept by browsers, asked about each time.
        response.headers["Cache-Control"] = "private, no-cache"
        return response

    return answer
