"""The pages of the mail queue: what waits, and one destination of it."""

from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from server.dashboard.pages.queue import page
from server.dashboard.shell.event_types import EVENT_TYPES
from server.dashboard.shell.lists.links import profile_href
from server.dashboard.shell.page import carried_params, render_page
from server.events import destinations
from server.live.messages import read_totals
from server.mailqueues import queries
from server.mailqueues.accounting import count_once

MAX_DOMAIN = 255


def queue(request: HttpRequest) -> HttpResponse:
    """Waiting mail: for how long, where it is to go and why, as it was read last."""
    now = timezone.now()
    databases = count_once(queries.newest_readings(now), now)
    totals = read_totals()
    headline = page.build_headline(databases, now, totals.standing)
    return render_page(request, "queue/page", {"headline": headline}, totals=totals)


def destination(request: HttpRequest) -> HttpResponse:
    """Last replies of one destination's servers, and the nodes at which its mail waits."""
    domain = request.GET.get("domain", "").strip().lower()
    if not domain or len(domain) > MAX_DOMAIN or "\0" in domain:
        raise Http404("no such destination")
    now = timezone.now()
    replies = destinations.read_destination(domain, now)
    carried = carried_params(request.GET)
    context = {
        "destination": replies,
        "refusals": [(refusal, EVENT_TYPES[refusal.event_type]) for refusal in replies.refusals],
        "looked_back_h": int(destinations.LOOKED_BACK.total_seconds() // 3600),
        "replies_h": int(destinations.REPLIES_LOOKED_BACK.total_seconds() // 3600),
        "profile_url": profile_href("destination", domain, carried),
        "all_refusals": urlencode({"to_domain": domain, "type": "deferred", **carried}),
        "all_events": urlencode({"to_domain": domain, **carried}),
    }
    return render_page(request, "queue/destination", context)
