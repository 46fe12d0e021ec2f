"""Views of the page Overview."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from server.alerts.problems import facts
from server.dashboard.pages.overview import page
from server.dashboard.shell.page import render_page
from server.live import messages


@require_safe
@login_required
def overview(request: HttpRequest) -> HttpResponse:
    """Whether anything is wrong, since when, where."""
    found = _overview_facts()
    totals = {**messages.totals_now(), **{name: found[name] for name in ("findings", "complete")}}
    context = {"found": found, "tiles": page.tiles(totals, found)}
    return render_page(request, "overview/page", context, totals=totals)


@require_safe
@login_required
def overview_facts(request: HttpRequest) -> HttpResponse:
    """Facts that are not in the live frames, for the open page."""
    response = JsonResponse(_overview_facts())
    response["Cache-Control"] = "no-store"
    return response


def _overview_facts() -> dict[str, Any]:
    now = timezone.now()
    return page.overview_json(facts(now), page.yesterday(now), now=now)
