"""Dead man's switch: a service that alarms when this server does not report any more.

Healthchecks.io, Uptime Kuma and the like: an address that is called after a whole round, and with
`/fail` after one that failed where the service knows that. `/start` is not used: a call that
overtakes the next one would look like a round that never ended.
"""

import logging

from django.conf import settings

from server.alerts.notifications.addresses import read_networks
from server.alerts.notifications.channels.kind import Request
from server.alerts.notifications.http import SendError, send

logger = logging.getLogger(__name__)

SIGNALS = {"success": "", "fail": "/fail"}


def ping(signal: str) -> bool:
    """Send a signal of SIGNALS; return whether it arrived. Raises nothing: the service notices."""
    if not settings.WATCHDOG_URL:
        return False
    url = build_url(settings.WATCHDOG_URL, signal, knows_signals=settings.WATCHDOG_SIGNALS)
    if url is None:
        return False
    try:
        send(Request("GET", url, b""), read_networks())
    except SendError as error:
        logger.warning("The dead man's switch was not reached: %s", error)
        return False
    return True


def build_url(url: str, signal: str, *, knows_signals: bool) -> str | None:
    """Return the address of a signal; None where the service knows only success. Pure."""
    if signal == "success":
        return url
    if not knows_signals:
        return None
    base, question, query = url.partition("?")
    return base.rstrip("/") + SIGNALS[signal] + question + query
