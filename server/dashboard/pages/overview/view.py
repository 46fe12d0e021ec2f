"""Views of the page Overview."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from server.alerts.present.problems import read_facts
from server.dashboard.pages.overview.page import overview_json
from server.dashboard.shell.lists.blocks import list_blocks
from server.dashboard.shell.page import render_page
from server.live.messages import read_totals
from server.nodes.models import Node


def overview(request: HttpRequest) -> HttpResponse:
    """Whether anything is wrong, since when, where."""
    facts = read_facts(timezone.now())
    totals = read_totals(facts)
    context = {"tiles": totals.tiles, "blocks": list_blocks(facts.blocks)}
    return render_page(request, "overview/page", context, totals=totals)


def overview_facts(request: HttpRequest) -> HttpResponse:
    """Panels that no live frame carries, for the open page."""
    now = timezone.now()
    body = overview_json(
        read_facts(now),
        Node.objects.filter(retired_at=None).order_by("name"),
        now=now,
        offline_after_s=settings.NODE_OFFLINE_AFTER_S,
    )
    response = JsonResponse(body)
    response["Cache-Control"] = "no-store"
    return response
