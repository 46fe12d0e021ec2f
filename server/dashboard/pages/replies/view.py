"""The page of replies without a class, and the file for ZoneMTA."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from server.accounts.audit import note
from server.accounts.roles import STAFF, role_of
from server.dashboard.pages.replies import page
from server.dashboard.shell.page import carried_params, parse_params, render_page
from server.events.models import ReplyClass
from server.events.reply_classes import MAX_LISTED, MAX_READ, read_unclassified
from server.ingest.actors import reclassify_days
from server.rollups import reclassify


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
        "requests": reclassify.list_requests()[: page.MAX_REQUESTS],
        "can_reclassify": role_of(request.user) in STAFF,
        "days": (start.date(), end.date()),
        "problem": request.GET.get("problem", "")[:200],
    }
    return render_page(request, "replies/page", context)


@require_POST
def reclassify_range(request: HttpRequest) -> HttpResponse:
    """Request that stored events get the assigned classes, and show the page again."""
    if role_of(request.user) not in STAFF:
        return HttpResponse("Only operators and administrators may do that.", status=403)
    query = request.GET.copy()
    query.pop("problem", None)
    try:
        first, last = page.read_days(request.POST)
        author = request.user.get_username()
        row = reclassify.request(first, last, author=author, now=timezone.now())
        note(request, row, f"Requested the {row}")
        reclassify_days.send(row.pk)
    except reclassify.Refused as refusal:
        query["problem"] = str(refusal)
    answer = redirect("replies")
    answer["Location"] += f"?{query.urlencode()}#reclassify" if query else "#reclassify"
    return answer


def bounces_file(_request: HttpRequest) -> HttpResponse:
    """The assigned classes as lines for ZoneMTA's bounces.txt."""
    assigned = [(each.text, each.bounce_class) for each in ReplyClass.objects.order_by("example")]
    lines = page.build_bounces_file(assigned)
    answer = HttpResponse(lines, content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="bounces.txt"'
    answer["Cache-Control"] = "no-store"
    return answer
