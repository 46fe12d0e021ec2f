"""Cache of answers that several readers request at once, with an ETag for those who have them."""

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from rest_framework.request import Request
from rest_framework.response import Response

from server.http.json_renderer import JSONRenderer

#: Larger answers are made anew each time; CACHES bounds how many there are.
MAX_CACHED_BYTES = 512 * 1024


def cache_answer(
    get: Callable[..., Response], *, control: str = "private, no-cache"
) -> Callable[..., HttpResponseBase]:
    """Cache a view's answer for READ_CACHE_SECONDS in this process, and give it an ETag.

    For answers that are the same for everybody who may read. Refusals are not cached: they are
    raised. `control`: what browsers may do; by default they keep it and revalidate each time.
    """

    @wraps(get)
    def answer(view: Any, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        key = f"read:{hashlib.sha256(request.get_full_path().encode()).hexdigest()}"
        cached: tuple[str, bytes] | None = cache.get(key) if settings.READ_CACHE_SECONDS else None
        if cached is None:
            body: bytes = JSONRenderer().render(get(view, request, *args, **kwargs).data)
            cached = f'"{hashlib.sha256(body).hexdigest()[:32]}"', body
            if len(body) <= MAX_CACHED_BYTES:
                cache.set(key, cached, settings.READ_CACHE_SECONDS)
        etag, body = cached
        headers = {"ETag": etag, "Cache-Control": control}
        response = HttpResponse(body, content_type="application/json", headers=headers)
        return get_conditional_response(request, etag=etag, response=response) or response

    return answer
