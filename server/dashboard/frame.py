"""What all framed pages share: range, refresh and time zone out of the URL, live facts, navigation.

A page's view calls `framed`; everything a link must carry is in the URL under the names of `Asked`,
and the page's script (static/dashboard/js/page.js) reads and writes the same names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from server.dashboard.context import demo_history_until
from server.dashboard.email_flow import has_mail
from server.dashboard.modules import imported
from server.dashboard.navigation import entries
from server.dashboard.verdict import overall, verdict
from server.live import messages

#: range → how a menu calls it.
RANGES = {
    "1h": "Last hour",
    "6h": "Last 6 h",
    "24h": "Last 24 h",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
}
RANGE_LENGTHS = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
DEFAULT_RANGE = "24h"
#: refresh → how a menu calls it.
REFRESHES = {
    "15s": "every 15 s",
    "30s": "every 30 s",
    "1m": "every minute",
    "5m": "every 5 min",
    "off": "off",
}
DEFAULT_REFRESH = "30s"
THEMES = ("dark", "light", "auto")
#: Time zones a menu offers beside the reader's own; any other of the IANA's list may be typed.
ZONES = ("UTC",)


@dataclass(frozen=True)
class Asked:
    """What the URL asks of the frame. What makes no sense there is as if it were not there.

    `range`: of RANGES, or "custom" with `start` and `end`. `zone`: empty for the reader's own.
    """

    range: str
    start: datetime | None
    end: datetime | None
    refresh: str
    zone: str

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the stretch of time asked for, its end left out."""
        if self.start is not None and self.end is not None:
            return self.start, self.end
        return now - RANGE_LENGTHS[self.range], now

    @property
    def range_label(self) -> str:
        """The range as a menu calls it."""
        if self.range in RANGES:
            return RANGES[self.range]
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"


def asked(query: Mapping[str, str]) -> Asked:
    """Read a query string. Pure."""
    start, end = _time(query.get("from")), _time(query.get("to"))
    custom = start is not None and end is not None and start < end
    name = query.get("range", DEFAULT_RANGE)
    refresh = query.get("refresh", DEFAULT_REFRESH)
    zone = query.get("tz", "")
    return Asked(
        range="custom" if custom else name if name in RANGES else DEFAULT_RANGE,
        start=start if custom else None,
        end=end if custom else None,
        refresh=refresh if refresh in REFRESHES else DEFAULT_REFRESH,
        zone=zone if zone in _all_zones() else "",
    )


def framed(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any],
    *,
    module: str,
    totals: dict[str, Any] | None = None,
) -> HttpResponse:
    """Answer a page inside the frame, painted with the numbers of this moment.

    `module`: the page's script, such as "dashboard/js/outbound.js". `totals`: those of
    live.messages.totals_now() when the view has asked for them already, with `findings` and
    `complete` (live.findings) if it knows them; else the first frame tells. The template extends
    dashboard/base.html and finds `totals` and `verdict` in its context. Asks the database at most
    three questions, besides the session's two.
    """
    totals = totals or messages.totals_now()
    until = demo_history_until()
    response = render(
        request,
        template,
        {
            "totals": totals,
            "verdict": overall(
                verdict(totals), totals.get("findings", ()), complete=totals.get("complete")
            ),
            "nothing_watched": totals["nodes"]["known"] == 0 and not has_mail(totals),
            "asked": asked(request.GET),
            "ranges": RANGES,
            "refreshes": REFRESHES,
            "zones": ZONES,
            "navigation": entries(request.path),
            "page_module": module,
            "modules": imported(module),
            "facts": {
                "totals": totals,
                "offline_after_s": settings.NODE_OFFLINE_AFTER_S,
                "live_url": settings.LIVE_URL,
                "demo_history_until": until and until.isoformat(),
            },
            **context,
        },
    )
    # Numbers of a moment: going back to the page asks again.
    response["Cache-Control"] = "no-store"
    return response


def _time(text: str | None) -> datetime | None:
    """Return a time of the URL; None for what is none, or has no offset."""
    try:
        # A `+` that came unescaped is a space by now.
        at = datetime.fromisoformat((text or "").replace(" ", "+"))
    except ValueError:
        return None
    return at if at.tzinfo else None


@cache
def _all_zones() -> set[str]:
    return available_timezones()
