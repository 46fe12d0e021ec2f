"""View of the page of one block."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse

from server.alerts.blocks.listing import find_block
from server.dashboard.pages.block import page
from server.dashboard.shell.page import carried_params, render_page


def block(request: HttpRequest, number: int) -> HttpResponse:
    """What one provider refuses, since when, and whose mail that is."""
    row = find_block(number)
    if row is None:
        raise Http404(f"no block {number}")
    carried = carried_params(request.GET)
    context: dict[str, Any] = {
        "block": row,
        "headline": page.build_headline(row),
        "facts_known": page.build_facts(row, carried),
        "tables": page.build_tables(row, carried),
        "events_url": page.events_link(row, carried),
    }
    return render_page(request, "block/page", context)
