"""How often one key and one address may knock. Counted in each web process by itself."""

import time
from collections.abc import Callable
from functools import cache

from django.conf import settings
from django.http import HttpRequest
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from rest_framework.exceptions import Throttled

from server.ingest.address import client_address, networks

_limiter = FixedWindowRateLimiter(MemoryStorage())
_parse: Callable[[str], RateLimitItem] = cache(parse)
_networks = cache(networks)


def check_address(request: HttpRequest) -> None:
    """Count this request for its source address. Raises Throttled (429 with Retry-After)."""
    address = client_address(
        request.META.get("REMOTE_ADDR", ""),
        request.headers.get("X-Forwarded-For", ""),
        _networks(tuple(settings.TRUSTED_PROXIES)),
    )
    _check(settings.INGEST_ADDRESS_RATE, "address", address)


def check_key(key_id: int) -> None:
    """Count this request for its key. Raises Throttled (429 with Retry-After)."""
    _check(settings.INGEST_KEY_RATE, "key", str(key_id))


def _check(rate: str, kind: str, who: str) -> None:
    item = _parse(rate)
    if not _limiter.hit(item, kind, who):
        reset_at = _limiter.get_window_stats(item, kind, who).reset_time
        wait_s = max(1.0, reset_at - time.time())  # noqa: TID251 (limits counts in this clock)
        raise Throttled(wait=wait_s, detail=f"Over the rate of this {kind} ({rate}).")
