"""View of the comparison of nodes."""

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from server.dashboard.pages.node import charts
from server.dashboard.pages.nodes import page
from server.dashboard.pages.nodes.view import node_rows
from server.dashboard.shell.page import render_page


def compare(request: HttpRequest) -> HttpResponse:
    """Two to five nodes beside each other, now and over the range."""
    now = timezone.now()
    rows = {row.node.name: row for row in node_rows(now)}
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
        "at": now,
    }
    return render_page(request, "compare/page", context)
