"""View of the heat map of nodes."""

from django.http import HttpRequest, HttpResponse

from server.dashboard.pages.node import charts
from server.dashboard.shell.page import render_page


def heat_map(request: HttpRequest) -> HttpResponse:
    reading = request.GET.get("reading", "")
    chosen = reading if reading in charts.COMPARED else next(iter(charts.COMPARED))
    context = {
        "readings": list(charts.COMPARED.items()),
        "reading": chosen,
        "chart_facts": {"readings": charts.COMPARED},
    }
    return render_page(request, "heat_map/page", context)
