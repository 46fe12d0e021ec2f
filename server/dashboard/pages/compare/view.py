"""View of the comparison of nodes."""

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from server.dashboard.pages.node import charts
from server.dashboard.pages.nodes import page
from server.dashboard.pages.nodes.view import node_rows
from server.dashboard.shell.page import carried_params, render_page


@require_safe
@login_required
def compare(request: HttpRequest) -> HttpResponse:
    """Two to five nodes beside each other, now and over the range."""
    now = timezone.now()
    rows = {row.name: row for row in node_rows(now)}
    names = page.select_compared(request.GET.getlist("node"), rows)
    unknown = [name for name in request.GET.getlist("node")[:20] if name and name not in rows]
    context = {
        "rows": [rows[name] for name in names],
        "all_names": list(rows),
        "unknown": unknown,
        "enough": len(names) >= page.MIN_COMPARED,
        "min_compared": page.MIN_COMPARED,
        "max_compared": page.MAX_COMPARED,
        "readings": list(charts.COMPARED.items()),
        "chart_facts": {"nodes": names, "readings": charts.COMPARED},
        "carried_params": carried_params(request.GET),
        "carried": urlencode(carried_params(request.GET)),
        "at": now,
    }
    return render_page(request, "compare/page", context)
