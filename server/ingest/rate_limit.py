"""Rate limits per key and per address, counted in each web process by itself.

Not the library `limits`: its storage in memory kept starting threads, 257 in 1 500 requests.
"""

import threading
from collections.abc import Set as AbstractSet
from functools import cache
from time import monotonic

from django.conf import settings
from django.http import HttpRequest
from rest_framework.exceptions import Throttled

from server.http import client_address
from server.nodes.authentication import KeyHolder
from server.nodes.queries import unknown_names

PERIODS_S = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
#: Windows remembered; past it all are cleared, and every client begins anew.
MAX_WINDOWS = 100_000
#: Names of nodes that need not be looked up; past it all are again.
MAX_KNOWN_NODES = 10_000

_known_nodes: set[str] = set()
_lock = threading.Lock()
#: (kind, client) → end of the window on the monotonic clock, and the requests in it.
_windows: dict[tuple[str, str], tuple[float, int]] = {}


@cache
def parse(rate: str) -> tuple[int, int]:
    """Return the allowed requests and the seconds of "100/minute". Raises ValueError."""
    amount, _, period = rate.partition("/")
    if period not in PERIODS_S:
        raise ValueError(f"{rate!r} is no rate; write it like 2000/second or 100/minute")
    return int(amount), PERIODS_S[period]


def check_address(request: HttpRequest) -> None:
    """Count this request for its source address. Raises Throttled (429 with Retry-After)."""
    _check(settings.INGEST_ADDRESS_RATE, "address", client_address.of_request(request))


def check_key(key_id: int) -> None:
    """Count this request for its key. Raises Throttled (429 with Retry-After)."""
    _check(settings.INGEST_KEY_RATE, "key", str(key_id))


def check_reader(reader: str) -> None:
    """Count a request to the read API for its person or key. Raises Throttled."""
    _check(settings.READ_RATE, "reader", reader)


def check_new_nodes(holder: KeyHolder, names: AbstractSet[str]) -> None:
    """Count those of `names` that are no node yet. Raises Throttled, and then counts none.

    A key of one node adds none: its node was there before it.
    """
    if holder.node is not None or names <= _known_nodes:
        return
    if unknown := unknown_names(names - _known_nodes):
        rate = settings.NEW_NODES_RATE
        _check(rate, "key's new nodes", str(holder.key_id), len(unknown))
    if len(_known_nodes) + len(names) > MAX_KNOWN_NODES:
        _known_nodes.clear()
    _known_nodes.update(names)


def _check(rate: str, kind: str, client: str, amount: int = 1) -> None:
    max_requests, period_s = parse(rate)
    now = monotonic()
    with _lock:
        ends_at, count = _windows.get((kind, client), (0.0, 0))
        if ends_at <= now:
            if len(_windows) >= MAX_WINDOWS:
                _windows.clear()
            ends_at, count = now + period_s, 0
        is_over = count + amount > max_requests
        _windows[kind, client] = (ends_at, count + (0 if is_over else amount))
    if is_over:
        detail = f"Over the rate of this {kind} ({rate})."
        raise Throttled(wait=max(1.0, ends_at - now), detail=detail)
