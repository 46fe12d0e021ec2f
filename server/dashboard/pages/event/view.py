"""View of the page of one event."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse

from server.dashboard.pages.events import page
from server.dashboard.shell.page import carried_params, render_page
from server.events import queries

#: ZoneMTA gives a message up after 30 days at the latest.
MAX_MESSAGE_LIFETIME = timedelta(days=31)
#: Events of one message that are listed.
MAX_HISTORY = 200


def event(request: HttpRequest, event_id: UUID) -> HttpResponse:
    """All that is known of one event, and the history of its message."""
    row = queries.find_event(event_id)
    if row is None:
        raise Http404(f"no event {event_id}")
    carried = urlencode(carried_params(request.GET))
    events: list[dict[str, Any]] = []
    if queue_id := row["queue_id"]:
        start, end = (row["occurred_at"] + sign * MAX_MESSAGE_LIFETIME for sign in (-1, 1))
        events = queries.search(start, end, {"queue_id": queue_id}, limit=MAX_HISTORY)
    line = page.build_line(row)
    history = page.find_history(events, row)
    context = {
        "event": row,
        "line": line,
        "groups": page.group_facts(row, carried),
        "full_reply": row["status_message"] if row["status_message"] != line.reply else None,
        "history": [page.build_line(each) for each in history],
        "others_count": len(events) - len(history),
        "history_cut": len(events) == MAX_HISTORY,
    }
    return render_page(request, "event/page", context)
