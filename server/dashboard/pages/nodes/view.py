"""View of the list of nodes."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from server.alerts.backlog import unstored
from server.alerts.present.standing import NONE_STANDS, Standing
from server.dashboard.pages.nodes import page
from server.dashboard.shell.page import carried_params, render_page
from server.live.messages import read_totals
from server.metrics.newest import newest_system
from server.nodes.models import Node
from server.observability.backlog import read_backlog

#: Older samples no longer describe a node; it is then shown without readings.
MAX_SAMPLE_AGE = timedelta(days=7)
#: A sample stamped this far ahead by a node's clock is still its newest.
MAX_CLOCK_AHEAD = timedelta(minutes=10)
PAGE_SIZE = 100


def node_list(request: HttpRequest) -> HttpResponse:
    """Every node with its status and newest readings, filtered and sorted by the URL."""
    now = timezone.now()
    totals = read_totals()
    rows = node_rows(now, totals.standing)
    params = page.parse_params(request.GET)
    carried = carried_params(request.GET)
    matches = page.filter_rows(rows, params)
    shown = _page_number(request)
    context = {
        "rows": matches[PAGE_SIZE * (shown - 1) : PAGE_SIZE * shown],
        "found_count": len(matches),
        "known_count": len(rows),
        "counts": [
            (status, count, urlencode({**params.parameters(), "status": status.key, **carried}))
            for status, count in page.count_statuses(rows)
        ],
        "everybody": urlencode({**params.parameters(), **carried} | {"status": ""}),
        "roles": sorted({row.node.role for row in rows if row.node.role}),
        "list_params": params,
        "heads": page.build_heads(params, carried),
        "orders": page.list_orders(params),
        "newer": _other_page(request, shown - 1) if shown > 1 else None,
        "older": _other_page(request, shown + 1) if len(matches) > PAGE_SIZE * shown else None,
        "at": now,
        "offline_after_s": settings.NODE_OFFLINE_AFTER_S,
    }
    return render_page(request, "nodes/page", context, totals=totals)


def node_rows(now: datetime, standing: Standing = NONE_STANDS) -> list[page.Row]:
    """Return every node that is not retired, as it is at `now`. Runs two queries."""
    samples = newest_system(now - MAX_SAMPLE_AGE, now + MAX_CLOCK_AHEAD)
    unstored_s = unstored(read_backlog(), now).total_seconds()
    return [
        build_row(node, samples.get(node.pk), standing, now=now, unstored_s=unstored_s)
        for node in Node.objects.filter(retired_at=None).order_by("name")
    ]


def build_row(
    node: Node, sample: Any, standing: Standing, *, now: datetime, unstored_s: float
) -> page.Row:
    return page.build_row(
        node,
        sample,
        now=now,
        offline_after_s=settings.NODE_OFFLINE_AFTER_S,
        contact_at=node.contact_at,
        unstored_s=unstored_s,
        findings=standing.of_node(node.name),
    )


def _page_number(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    return max(1, int(text)) if text.isdecimal() and len(text) < 6 else 1  # noqa: PLR2004


def _other_page(request: HttpRequest, number: int) -> str:
    params: dict[str, Any] = {name: value for name, value in request.GET.items() if name != "page"}
    return urlencode({**params, "page": number} if number > 1 else params)
