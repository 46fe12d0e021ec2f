"""Rendering of pages: query parameters that all share, live facts, navigation.

A page's view calls `render_page`; everything a link must carry is in the URL under the names of
`PageParams`, and the page's script (page.js) reads and writes the same names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import urlencode
from zoneinfo import available_timezones

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from server import __version__
from server.accounts.roles import STAFF, role_of
from server.dashboard.shell.assets.icons import state_icons
from server.dashboard.shell.assets.modules import imported_modules, page_script
from server.dashboard.shell.live.sentence import painted_sentence
from server.dashboard.shell.navigation import build_entries
from server.live import messages
from server.live.messages import Totals
from server.rollups import plan

#: range → how a menu calls it.
RANGES = {
    "1h": "Last hour",
    "6h": "Last 6 h",
    "24h": "Last 24 h",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
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
#: Parameters that every link carries on to other pages; CARRIED in params.js.
CARRIED = ("range", "from", "to", "refresh", "tz", "theme")


@dataclass(frozen=True)
class PageParams:
    """Range, refresh and zone of a page; invalid values of the URL count as absent.

    `range`: of RANGES, or "custom" with `start` and `end`. `zone`: empty for the reader's own.
    """

    range: str
    start: datetime | None
    end: datetime | None
    refresh: str
    zone: str

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """Return start and end of the range, its end left out."""
        if self.start is not None and self.end is not None:
            return self.start, self.end
        return now - plan.RANGES[self.range], now

    @property
    def range_label(self) -> str:
        """The range as a menu calls it."""
        if self.range in RANGES:
            return RANGES[self.range]
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"


def parse_params(query: Mapping[str, str]) -> PageParams:
    start, end = _time(query.get("from")), _time(query.get("to"))
    custom = start is not None and end is not None and start < end
    name = query.get("range", DEFAULT_RANGE)
    refresh = query.get("refresh", DEFAULT_REFRESH)
    zone = query.get("tz", "")
    return PageParams(
        range="custom" if custom else name if name in RANGES else DEFAULT_RANGE,
        start=start if custom else None,
        end=end if custom else None,
        refresh=refresh if refresh in REFRESHES else DEFAULT_REFRESH,
        zone=zone if zone in _all_zones() else "",
    )


def carried_params(query: Mapping[str, str]) -> dict[str, str]:
    return {name: query[name] for name in CARRIED if query.get(name)}


def render_page(
    request: HttpRequest,
    page: str,
    context: Mapping[str, Any],
    *,
    totals: Totals | None = None,
) -> HttpResponse:
    """Render a page with navigation, live facts and the numbers of this moment.

    `page`: "queue/page" renders pages/queue/page.html, which extends dashboard/shell/base.html and
    finds `totals` in its context, and loads pages/queue/page.js if there is one. `totals`: where
    the view has read them already; without facts the first live frame brings the problems. Runs at
    most three queries, besides the session's two and the role. Raises ValueError when `context`
    has a name of the frame: the frame would lose its own without a word.
    """
    totals = totals or messages.read_totals()
    carried = carried_params(request.GET)
    script = page_script(page)
    icons = state_icons()
    is_staff = role_of(request.user) in STAFF
    frame = {
        "totals": totals,
        "sentence": painted_sentence(totals),
        "state_icons": icons,
        "state_icon": icons[totals.sentence.level],
        "is_staff": is_staff,
        "bell": totals.incidents.bell(is_staff=is_staff),
        "version": __version__,
        "nothing_watched": totals.nodes.known == 0 and not totals.has_mail,
        "params": parse_params(request.GET),
        "carried_params": carried,
        "carried": urlencode(carried),
        "ranges": RANGES,
        "refreshes": REFRESHES,
        "navigation": build_entries(request.path),
        "page_module": script,
        "modules": imported_modules(script),
        "facts": {
            "totals": totals.as_json(),
            "offline_after_s": settings.NODE_OFFLINE_AFTER_S,
            "live_url": settings.LIVE_URL,
        },
    }
    if taken := sorted(frame.keys() & context.keys()):
        raise ValueError(f"{page}: the frame of every page has {', '.join(taken)}; use other names")
    response = render(request, f"dashboard/pages/{page}.html", {**frame, **context})
    # Numbers of a moment: going back loads the page again.
    response["Cache-Control"] = "no-store"
    return response


def _time(text: str | None) -> datetime | None:
    """Return a time of the URL; None for what is none, has no offset, or cannot be meant."""
    try:
        # A `+` that came unescaped is a space by now.
        at = datetime.fromisoformat((text or "").replace(" ", "+"))
    except ValueError:
        return None
    return at if at.tzinfo and at.year in plan.YEARS else None


_all_zones = cache(available_timezones)
