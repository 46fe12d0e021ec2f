"""The page of replies without a class, and the file for ZoneMTA."""

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from server.dashboard.pages.replies import page
from server.dashboard.shell.page import carried_params, parse_params, render_page
from server.events.models import ReplyClass
from server.events.reply_classes import MAX_LISTED, MAX_READ, read_unclassified


def replies(request: HttpRequest) -> HttpResponse:
    """What remote servers say that no rule knows, most frequent first, with how to classify it."""
    start, end = parse_params(request.GET).span(timezone.now())
    found = read_unclassified(start, end)
    context = {
        "found": found,
        "headline": page.build_headline(found),
        "rows": page.build_rows(found, carried_params(request.GET)),
        "can_assign": request.user.has_perm("events.add_replyclass"),
        "assigned_count": ReplyClass.objects.count(),
        "max_read": MAX_READ,
        "max_listed": MAX_LISTED,
    }
    return render_page(request, "replies/page", context)


def bounces_file(_request: HttpRequest) -> HttpResponse:
    """The assigned classes as lines for ZoneMTA's bounces.txt."""
    assigned = [(each.text, each.bounce_class) for each in ReplyClass.objects.order_by("example")]
    lines = page.build_bounces_file(assigned)
    answer = HttpResponse(lines, content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="bounces.txt"'
    answer["Cache-Control"] = "no-store"
    return answer
