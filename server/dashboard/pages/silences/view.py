"""The page of silences: those in force and over, and a form that shows what one would hide."""

from urllib.parse import urlencode

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from server.accounts.audit import note
from server.accounts.roles import STAFF, role_of
from server.alerts import actions, queries
from server.alerts.definitions.queries import find_hidden
from server.alerts.models import Severity, Silence
from server.alerts.rules import active_rules
from server.dashboard.pages.silences import page
from server.dashboard.shell.page import carried_params, render_page

MAX_ENDED, MAX_PROBLEM_CHARS = 50, 300


def silences(request: HttpRequest) -> HttpResponse:
    """Silences, and what the typed one would hide now."""
    now, matchers = timezone.now(), page.read_matchers(request.GET)
    hidden = find_hidden(Silence(**matchers))
    rows = page.build_rows(queries.silences(now), now)
    context = {
        "rows": rows,
        "headline": page.build_headline(rows),
        "ended": page.build_rows(queries.silences(now, is_past=True)[:MAX_ENDED], now),
        "matchers": matchers,
        "reason": request.GET.get("reason", "")[:MAX_PROBLEM_CHARS],
        "hidden_text": page.describe_hidden(hidden, matchers),
        "hidden": hidden[: page.MAX_NAMED],
        "hidden_more": max(0, len(hidden) - page.MAX_NAMED),
        "rules": sorted(active_rules()),
        "severities": Severity.values,
        "lengths": page.LENGTHS,
        "can_act": role_of(request.user) in STAFF,
        "problem": request.GET.get("problem", "")[:MAX_PROBLEM_CHARS],
    }
    return render_page(request, "silences/page", context)


@require_POST
def act(request: HttpRequest) -> HttpResponse:
    """Make a silence, or end one; and show the page again."""
    if role_of(request.user) not in STAFF:
        return HttpResponse("Only operators and administrators may do that.", status=403)
    query = carried_params(request.GET)
    try:
        with transaction.atomic():
            if request.POST.get("action") == "end":
                _end(request)
            else:
                _make(request)
    except actions.Refused as refusal:
        typed = page.read_matchers(request.POST) | {"reason": request.POST.get("reason", "")}
        query |= {name: value for name, value in typed.items() if value}
        query |= {"problem": f"{refusal.field}: {refusal}"}
    address = reverse("silence-list")
    return redirect(f"{address}?{urlencode(query)}" if query else address)


def _make(request: HttpRequest) -> None:
    """Make the silence of the form. Raises Refused."""
    now, length = timezone.now(), page.LENGTHS.get(request.POST.get("length", ""))
    if length is None:
        raise actions.Refused("length", "Choose one of the lengths.")
    row = actions.silence(
        **page.read_matchers(request.POST),
        ends_at=now + length,
        reason=request.POST.get("reason", ""),
        author=request.user.get_username(),
        now=now,
    )
    note(request, row, f"Silenced {row}: {row.reason}")


def _end(request: HttpRequest) -> None:
    number = request.POST.get("silence", "")
    is_number = number.isascii() and number.isdecimal() and len(number) < len(str(2**63))
    row = Silence.objects.filter(pk=int(number)).first() if is_number else None
    if row is None:
        raise Http404("no such silence")
    note(request, row, "Ended.")
    actions.end_silence(row, now=timezone.now())
