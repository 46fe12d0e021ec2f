"""Clock skew of the node behind a request: the `Date` in it against the time of receipt.

The times of its events and samples are corrected by it. A value once measured stays in use while
later ones are near it, so that a batch that comes again gets the same times.
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

import redis
from django.http import HttpRequest
from django.http.request import HttpHeaders

from server.http.client_address import of_request
from server.ingest.errors import InboxUnavailable
from server.ingest.inbox import EVENTS
from server.nodes.authentication import KeyHolder
from server.nodes.models import ApiKey

#: The sender's clock as in `Date`, in requests and responses: some gateways drop or replace that.
DATE_HEADER = "Mallard-Date"
DATE_META = HttpHeaders.to_wsgi_name(DATE_HEADER)
#: Not corrected: nothing arrives before it was sent, but `Date` has whole seconds and clocks are
#: slewed; and a request may be under way, or wait in a proxy, for as long as an agent waits for it.
MAX_AHEAD, MAX_BEHIND = timedelta(seconds=5), timedelta(seconds=30)
#: A measurement this near to the value in use is that value: the network and a slow drift.
SAME_SKEW = timedelta(seconds=30)
IN_USE_S = 24 * 3600
MILLISECOND = timedelta(milliseconds=1)


def of_agent(request: HttpRequest, holder: KeyHolder, received_at: datetime) -> timedelta | None:
    """Return how far the agent's clock is ahead, negative when behind, zero when that is tolerated.

    None: it sent no clock, or is no agent: then it is not known. Raises InboxUnavailable.
    """
    sent_at = _read_date(request.META.get(DATE_META, "")) or _read_date(
        request.META.get("HTTP_DATE", "")
    )
    if sent_at is None or holder.scope != ApiKey.Scope.AGENT:
        return None
    ahead = sent_at - received_at
    if -MAX_BEHIND <= ahead <= MAX_AHEAD:
        return timedelta()
    # Many nodes may share a key of no node.
    node = holder.node or f"{holder.key_id} {of_request(request)}"
    try:
        return _settle(node, ahead)
    except redis.RedisError as error:
        raise InboxUnavailable from error


def _settle(node: str, ahead: timedelta) -> timedelta:
    """Return the value in use for a node if it is near enough; else put this one into use."""
    key = f"mallard:clock_skew:{node}"
    in_use: Any = EVENTS.client.get(key)
    if in_use is not None and abs(ahead - int(in_use) * MILLISECOND) <= SAME_SKEW:
        return int(in_use) * MILLISECOND
    ahead_ms = ahead // MILLISECOND
    EVENTS.client.set(key, ahead_ms, ex=IN_USE_S)
    return ahead_ms * MILLISECOND


@lru_cache(maxsize=1_000)  # whole seconds: the requests of a busy one have the same
def _read_date(header: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(header)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, TypeError, IndexError, OverflowError):  # the parser was made for mail
        return None
