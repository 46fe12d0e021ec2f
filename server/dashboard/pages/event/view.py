"""View of the page of one event."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from server.dashboard.pages.events import page
from server.dashboard.shell.page import carried_params, render_page
from server.events import queries

#: ZoneMTA gives a message up after 30 days at the latest.
MAX_MESSAGE_LIFETIME = timedelta(days=31)
#: Events of one message that are listed.
MAX_HISTORY = 200


@require_safe
@login_required
def event(request: HttpRequest, event_id: UUID) -> HttpResponse:
    """All that is known of one event, in the remote's words, and the story of its message."""
    event_row = queries.find_event(event_id)
    if event_row is None:
        raise Http404(f"no event {event_id}")
    frame = urlencode(carried_params(request.GET))
    events: list[dict[str, Any]] = []
    if event_row["queue_id"]:
        around = (
            event_row["occurred_at"] - MAX_MESSAGE_LIFETIME,
            event_row["occurred_at"] + MAX_MESSAGE_LIFETIME,
        )
        events = queries.search(*around, {"queue_id": event_row["queue_id"]}, limit=MAX_HISTORY)
    story = page.story(events, event_row)
    context = {
        "event": event_row,
        "line": page.line(event_row),
        "groups": page.groups(event_row, frame),
        "status_words": event_row["status_message"]
        if event_row["status_message"] != page.words(event_row)
        else None,
        "story": [page.line(each) for each in story],
        "others_count": len(events) - len(story),
        "story_cut": len(events) == MAX_HISTORY,
        "carried": frame,
    }
    return render_page(request, "event/page", context)
