"""The pages of events: a search, and one event with what else happened to its message."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db import OperationalError, connection, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from server.dashboard import events_page as page
from server.dashboard.events_search import FIRST, SearchForm, is_by_id, meaning
from server.dashboard.frame import asked, framed
from server.events import queries
from server.nodes.models import Node

#: Events on a page of the list.
PAGE = 50
#: A search that takes longer is given up: somebody waits before the screen.
SEARCH_MS = 8_000
#: ZoneMTA gives a message up after 30 days at the latest.
MESSAGE_LIVES = timedelta(days=31)
#: Of one message's story.
STORY_MOST = 200


@require_safe
@login_required
def search(request: HttpRequest) -> HttpResponse:
    """List the events of the range that have these values, newest first, page by page."""
    frame = page.frame_parameters(request.GET)
    nodes = list(Node.objects.values_list("name", flat=True))
    typed = request.GET.get("q", "").strip()[:255]
    found = meaning(typed, nodes=frozenset(nodes)) if typed else None
    if found:
        return HttpResponseRedirect(_where(*found, frame))
    form = SearchForm(request.GET)
    valid = form.is_valid()
    filters = form.filters() if valid else {}
    start, end = _stretch(request, filters)
    after = page.position(request.GET.get("after", ""))
    if after and not start <= after.occurred_at <= end:
        after = None  # of another range
    events, too_slow = _found(start, end, filters, after) if valid and not typed else ([], False)
    shown = events[:PAGE]
    older = page.query(filters, frame, after=page.cursor(shown[-1])) if events[PAGE:] else ""
    context: dict[str, Any] = {
        "form": form,
        "first_fields": [form["type" if name == "event_type" else name] for name in FIRST],
        "more_fields": [form[name] for name in _more(form)],
        "more_open": any(name in filters for name in _more(form)) or _wrong(form, _more(form)),
        "nodes": nodes,
        "not_understood": typed,
        "chips": page.chips(filters, frame),
        "frame": frame,
        "lines": [page.line(event) for event in shown],
        "searched": valid and not typed,
        "too_slow": too_slow,
        "seconds": SEARCH_MS // 1000,
        "start": start,
        "end": end,
        "all_kept": is_by_id(filters) and not {"range", "from"} & frame.keys(),
        "newest": page.query(filters, frame) if after else "",
        "is_paged": after is not None,
        "older": older,
        "export": page.query(filters, {}, **{"from": start.isoformat(), "to": end.isoformat()}),
        "carried": urlencode(frame),
    }
    return framed(request, "dashboard/events.html", context, module="dashboard/js/events.js")


@require_safe
@login_required
def one(request: HttpRequest, event_id: UUID) -> HttpResponse:
    """All that is known of one event, in the remote's words, and the story of its message."""
    event = queries.find_event(event_id)
    if event is None:
        raise Http404(f"no event {event_id}")
    frame = urlencode(page.frame_parameters(request.GET))
    told: list[dict[str, Any]] = []
    if event["queue_id"]:
        around = (event["occurred_at"] - MESSAGE_LIVES, event["occurred_at"] + MESSAGE_LIVES)
        told = queries.search(*around, {"queue_id": event["queue_id"]}, limit=STORY_MOST)
    story = page.story(told, event)
    context = {
        "event": event,
        "line": page.line(event),
        "groups": page.groups(event, frame),
        "status_words": event["status_message"]
        if event["status_message"] != page.words(event)
        else None,
        "story": [page.line(each) for each in story],
        "others_count": len(told) - len(story),
        "story_cut": len(told) == STORY_MOST,
        "carried": frame,
    }
    return framed(request, "dashboard/event.html", context, module="dashboard/js/event.js")


def _stretch(request: HttpRequest, filters: dict[str, Any]) -> tuple[datetime, datetime]:
    """Return the range asked for. By id and without a range: all that is kept."""
    now = timezone.now()
    if is_by_id(filters) and not {"range", "from"} & request.GET.keys():
        return now - timedelta(days=settings.EVENTS_RETENTION_DAYS), now
    return asked(request.GET).span(now)


def _found(
    start: datetime, end: datetime, filters: dict[str, Any], after: queries.Position | None
) -> tuple[list[dict[str, Any]], bool]:
    """Return a page and one more, and whether the search was given up for its length."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = %s", [SEARCH_MS])
            return queries.search(start, end, filters, limit=PAGE + 1, after=after), False
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", None) != "57014":  # cancelled by the timeout
            raise
        return [], True


def _where(parameter: str, value: str, frame: dict[str, str]) -> str:
    if parameter == "event":
        return f"{reverse('event', args=[value])}?{urlencode(frame)}"
    return f"{reverse('events')}?{urlencode({parameter: value, **frame})}"


def _more(form: SearchForm) -> list[str]:
    return [name for name in form.fields if name not in FIRST and name != "type"]


def _wrong(form: SearchForm, names: list[str]) -> bool:
    return any(name in form.errors for name in names)
