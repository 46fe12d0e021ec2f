"""View of the heat map of nodes."""

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from server.dashboard.pages.node import charts
from server.dashboard.shell.page import carried_params, render_page


@require_safe
@login_required
def heat_map(request: HttpRequest) -> HttpResponse:
    """All nodes over the range, by one reading."""
    reading = request.GET.get("reading", "")
    chosen = reading if reading in charts.COMPARED else next(iter(charts.COMPARED))
    context = {
        "readings": list(charts.COMPARED.items()),
        "reading": chosen,
        "chart_facts": {"readings": charts.COMPARED},
        "carried_params": carried_params(request.GET),
        "carried": urlencode(carried_params(request.GET)),
    }
    return render_page(request, "heat_map/page", context)
