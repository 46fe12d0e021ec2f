"""View of the trace of one message."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from server.dashboard.pages.trace import page
from server.dashboard.shell.page import carried_params, parse_params, render_page
from server.trace import queries
from server.trace.identifiers import MAX_CHARS, parse_identifier

MAX_ADDRESS_CHARS = 254


def trace(request: HttpRequest) -> HttpResponse:
    """The story of the message of `id`, or messages between two addresses to choose from."""
    typed = request.GET.get("id", "").strip()[:MAX_CHARS]
    sender, recipient = (_address(request, name) for name in ("from_address", "to_address"))
    carried = carried_params(request.GET)
    context: dict[str, Any] = {"typed": typed, "from_address": sender, "to_address": recipient}
    if typed:
        context |= _find_story(request, typed, recipient, carried)
    elif sender or recipient:
        candidates = _find_candidates(request, sender, recipient)
        if candidates is not None and len(candidates) == 1:
            ((_, href),) = page.build_candidates(candidates, carried)
            return HttpResponseRedirect(href)
        context["too_slow"] = candidates is None
        context["candidates"] = page.build_candidates(candidates or [], carried)
        context["is_full"] = len(candidates or []) == queries.MAX_CANDIDATES
        context["searched"] = True
    return render_page(request, "trace/page", context)


def _find_story(
    request: HttpRequest, typed: str, recipient: str, carried: dict[str, str]
) -> dict[str, Any]:
    identifier = parse_identifier(typed)
    if identifier is None:
        return {"not_understood": True}
    try:
        story = queries.trace(identifier, timezone.now(), to_address=recipient)
    except TimeoutError:
        return {"too_slow": True}
    if story is None:
        return {"not_stored": True}
    own = {"id": typed, "to_address": recipient}
    link = f"{reverse('trace')}?{urlencode({k: v for k, v in own.items() if v})}"
    address = request.build_absolute_uri(link)
    return {
        "story": story,
        "lines": page.build_lines(story, carried),
        "known": page.build_facts(story),
        "link": address,
        "text": page.write_text(story, address),
    }


def _find_candidates(
    request: HttpRequest, sender: str, recipient: str
) -> list[dict[str, Any]] | None:
    start, end = parse_params(request.GET).span(timezone.now())
    return queries.find_messages(sender, recipient, start, end)


def _address(request: HttpRequest, name: str) -> str:
    return request.GET.get(name, "").replace("\0", "").strip()[:MAX_ADDRESS_CHARS]
