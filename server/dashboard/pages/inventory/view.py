"""View of the lists of providers, destinations, sending IPs, sending domains and accounts."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from server.dashboard.pages.inventory import page
from server.dashboard.shell.page import carried_params, parse_params, render_page
from server.profiles.inventory import read_inventory
from server.profiles.kinds import KINDS


def inventory(request: HttpRequest, kind: str) -> HttpResponse:
    """Every value of a kind that had mail in the range; of sending IPs every one ever seen."""
    of, now = KINDS[kind], timezone.now()
    params, carried = page.parse_params(request.GET, of), carried_params(request.GET)
    start, end = parse_params(request.GET).span(now)
    listed = read_inventory(of, start, end, now=now)
    table, found_count = page.build_table(listed, params, carried)
    context: dict[str, Any] = {
        "kind": of,
        "table": table,
        "found_count": found_count,
        "known_count": len(listed.rows),
        "list_params": params,
        "orders": page.list_orders(of, params),
        "tabs": [
            (each.plural_title, reverse(f"{each.key}-list"), each is of) for each in KINDS.values()
        ],
        "start": listed.buckets.start,
        "at": now,
        "newer": params.query(carried, page=params.page - 1) if params.page > 1 else None,
        "older": params.query(carried, page=params.page + 1)
        if found_count > page.PAGE_SIZE * params.page
        else None,
        "cleared": params.query(carried, q="", page=1),
        "is_ip": of.key == "ip",
        "export": urlencode({"from": start.isoformat(), "to": end.isoformat()}),
    }
    return render_page(request, "inventory/page", context)
