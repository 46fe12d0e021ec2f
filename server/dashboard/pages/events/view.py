"""View of the search for events."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from server.accounts.models import SavedSearch
from server.dashboard.pages.events import page
from server.dashboard.pages.events.search import FIRST, SearchForm, interpret_text, is_by_id
from server.dashboard.shell.page import carried_params, parse_params, render_page
from server.events import queries
from server.events.search_values import MAX_WORDS_SPAN
from server.nodes.models import Node

#: Events on a page of the list.
PAGE_SIZE = 50
#: A search that takes longer is given up.
MAX_SEARCH_MS = 8_000
MAX_PROBLEM_CHARS = 300


def search(request: HttpRequest) -> HttpResponse:
    """List the events of the range that have these values, newest first, page by page."""
    carried = carried_params(request.GET)
    nodes = list(Node.objects.values_list("name", flat=True))
    typed = request.GET.get("q", "").strip()[:255]
    match = interpret_text(typed, nodes=frozenset(nodes)) if typed else None
    if match:
        return HttpResponseRedirect(_url_of_match(*match, carried))
    form = SearchForm(request.GET)
    valid = form.is_valid()
    filters = form.filters() if valid else {}
    everything = is_by_id(filters) and not {"range", "from"} & carried.keys()
    now = timezone.now()
    start, end = parse_params(request.GET).span(now)
    if everything:
        start, end = now - timedelta(days=settings.EVENTS_RETENTION_DAYS), now
    if "reply" in filters and end - start > MAX_WORDS_SPAN:
        form.add_error("reply", f"Words are looked for in {MAX_WORDS_SPAN.days} days only.")
        valid = False
    after = page.parse_cursor(request.GET.get("after", ""))
    if after and not start <= after.occurred_at <= end:
        after = None  # of another range
    result: list[dict[str, Any]] | None = []
    if valid and not typed:
        result = queries.search_within(
            MAX_SEARCH_MS, start, end, filters, limit=PAGE_SIZE + 1, after=after
        )
    events = result or []
    shown = events[:PAGE_SIZE]
    last = page.format_cursor(shown[-1]) if events[PAGE_SIZE:] else ""
    more_fields = [field for field in form if field.name not in FIRST]
    context: dict[str, Any] = {
        "form": form,
        "first_fields": [form[name] for name in FIRST],
        "more_fields": more_fields,
        "more_open": any(field.name in filters or field.errors for field in more_fields),
        "nodes": nodes,
        "not_understood": typed,
        "saved": SavedSearch.objects.filter(user_id=int(request.user.pk or 0)),
        "problem": request.GET.get("problem", "")[:MAX_PROBLEM_CHARS],
        "own_query": page.build_query(filters, carried),
        "chips": page.build_chips(filters, carried),
        "pages": page.list_pages(filters, carried),
        "lines": [page.build_line(event) for event in shown],
        "searched": valid and not typed,
        "too_slow": result is None,
        "seconds": MAX_SEARCH_MS // 1000,
        "start": start,
        "end": end,
        "all_stored": everything,
        "newest": page.build_query(filters, carried) if after else "",
        "is_paged": after is not None,
        "older": last and page.build_query(filters, carried, after=last),
        "export": page.build_query(filters, {"from": start.isoformat(), "to": end.isoformat()}),
    }
    return render_page(request, "events/page", context)


def _url_of_match(parameter: str, value: str, carried: dict[str, str]) -> str:
    if parameter == "event":
        return f"{reverse('event', args=[value])}?{urlencode(carried)}"
    return f"{reverse('events')}?{urlencode({parameter: value, **carried})}"
