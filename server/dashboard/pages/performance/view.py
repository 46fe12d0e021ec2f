"""View of the page Performance."""

from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from server.dashboard.pages.performance.page import build_gauges
from server.dashboard.shell.page import parse_params, render_page
from server.rollups.histogram import NOTHING
from server.rollups.mail.level_query import LevelQuery
from server.rollups.mail.queries import delivery_times
from server.rollups.plan import plan_total


def performance(request: HttpRequest) -> HttpResponse:
    """How long deliveries take, where they take long, and how large messages are."""
    now = timezone.now()
    params = parse_params(request.GET)
    start, end = params.span(now)
    zone = ZoneInfo(params.zone or "UTC")
    query = LevelQuery.of(plan_total(start, end, now=now, zone=zone), "outbound")
    times = next((row.times for row in delivery_times(query)), NOTHING)
    context = {"gauges": build_gauges(times), "deliveries": times.count}
    return render_page(request, "performance/page", context)
