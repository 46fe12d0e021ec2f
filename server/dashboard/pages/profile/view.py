"""View of the page of one provider, destination, sending IP, sending domain or account."""

from typing import Any
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from server.alerts.blocks.listing import blocks_of
from server.dashboard.pages.profile import page
from server.dashboard.shell.lists.blocks import list_blocks
from server.dashboard.shell.lists.links import events_href
from server.dashboard.shell.page import carried_params, parse_params, render_page
from server.profiles.kinds import KINDS, clean_name, show_name
from server.profiles.profile import read_profile


def profile(request: HttpRequest, kind: str) -> HttpResponse:
    """All that is known of one name: its outcomes, why and by whom it is refused, what waits."""
    of, now = KINDS[kind], timezone.now()
    name = clean_name(of, request.GET.get("name", ""))
    if name is None:
        raise Http404(f"no such {of.label}")
    params, carried = parse_params(request.GET), carried_params(request.GET)
    start, end = params.span(now)
    read = read_profile(of, name, start, end, now=now, zone=ZoneInfo(params.zone or "UTC"))
    providers = [each.value for each in read.refusals["providers"].values]
    context: dict[str, Any] = {
        "kind": of,
        "name": name,
        "shown_name": show_name(of, name),
        "profile": read,
        "headline": page.build_headline(read, now),
        "tiles": page.build_tiles(read, carried),
        "facts_known": page.build_facts(read, carried),
        "tables": page.build_tables(read, carried),
        "report": page.build_report(read),
        "blocks": list_blocks(blocks_of(of.key, name, start, end, providers=providers)),
        "list_name": f"{of.key}-list",
        "events_url": events_href(carried, **{of.column: name}),
        "chart_facts": {
            "of": of.key,
            "name": name,
            "column": of.column,
            "since": read.worse and read.worse.since.isoformat(),
        },
    }
    return render_page(request, "profile/page", context)
