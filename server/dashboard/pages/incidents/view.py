"""The pages of incidents: all of them, one, and the link by which one is acknowledged."""

from typing import Any

from django.core.signing import BadSignature
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from server.accounts.audit import note
from server.accounts.roles import STAFF, role_of
from server.alerts import actions, queries
from server.alerts.evidence.metrics import find_metric
from server.alerts.evidence.queries import find_first_events, read_evidence
from server.alerts.models import Incident
from server.alerts.notifications.content import read_link
from server.alerts.rules import active_rules
from server.dashboard.pages.events.page import build_line
from server.dashboard.pages.incidents import page
from server.dashboard.shell.page import carried_params, render_page
from server.live.messages import read_totals

MAX_ENDED = 50


def incidents(request: HttpRequest) -> HttpResponse:
    """Open incidents, the gravest first, and the newest of those that ended."""
    now = timezone.now()
    rows = page.build_rows(queries.incidents(), now)
    totals = read_totals()
    level, headline = page.build_headline(rows, totals.incidents.old)
    ended = page.build_rows(queries.incidents(is_open=False, limit=MAX_ENDED), now)
    context = {"rows": rows, "ended": ended, "level": level, "headline": headline}
    return render_page(request, "incidents/page", context, totals=totals)


def incident(request: HttpRequest, pk: int) -> HttpResponse:
    """One incident: what, since when, of what, what was done about it."""
    try:
        detail = queries.incident_detail(pk)
    except Incident.DoesNotExist:
        raise Http404("no such incident") from None
    now, carried = timezone.now(), carried_params(request.GET)
    first = detail.alerts[0] if detail.alerts else None
    rule = active_rules().get(first.rule) if first else None
    filters, behind = find_first_events(first, rule, now) if first else ({}, [])
    context: dict[str, Any] = {
        "detail": detail,
        "row": page.build_rows([detail.incident], now)[0],
        "timeline": page.build_timeline(detail),
        "before": page.build_rows(detail.before, now),
        "has_chart": bool(first and rule and find_metric(rule.condition.name, first.subject)),
        "lines": [build_line(event) for event in behind],
        "events_url": page.build_events_link(first, filters, carried, now) if first else "",
        "can_act": role_of(request.user) in STAFF,
        "snoozes": actions.SNOOZES,
        "silence": page.build_silence_query(detail.alerts),
        "problem": request.GET.get("problem", "")[:200],
    }
    return render_page(request, "incidents/incident", context)


def evidence(request: HttpRequest, pk: int) -> HttpResponse:
    """The metric of an incident's first alert over time, for its chart."""
    first = queries.first_alert(pk)
    if first is None:
        raise Http404("no such incident, or none of its alerts is kept")
    rule = active_rules().get(first.rule)
    now = timezone.now()
    found = read_evidence(first, first.transitions.all(), rule, now)
    response = JsonResponse(page.build_evidence(first, found, now))
    response["Cache-Control"] = "no-store"
    return response


@require_POST
def act(request: HttpRequest, pk: int) -> HttpResponse:
    """Acknowledge, snooze, comment or reopen, and show the incident again."""
    if role_of(request.user) not in STAFF:
        return HttpResponse("Only operators and administrators may do that.", status=403)
    row = Incident.objects.filter(pk=pk).first()
    if row is None:
        raise Http404("no such incident")
    address = redirect("incident-page", pk=pk)
    query = request.GET.copy()
    query.pop("problem", None)
    try:
        with transaction.atomic():
            note(request, row, _act(row, request))
    except actions.Refused as refusal:
        query["problem"] = str(refusal)
    address["Location"] += f"?{query.urlencode()}" if query else ""
    return address


def _act(row: Incident, request: HttpRequest) -> str:
    """Do what the form says; return what the audit log says. Raises Refused."""
    now, text = timezone.now(), request.POST.get("text", "").strip()
    pressed = request.POST.get("action", "")
    length = actions.SNOOZES.get(pressed)
    action = "snooze" if length else pressed if pressed in actions.ACTIONS else "comment"
    until = now + length if length else None
    author = request.user.get_username()
    actions.act(row, action, author=author, now=now, text=text, until=until)
    return f"{pressed or action} {text}".strip()


@csrf_exempt  # the token is the authority, and a program has no cookie
@require_http_methods(["GET", "HEAD", "POST"])
def acknowledge_by_link(request: HttpRequest, token: str) -> HttpResponse:
    """Acknowledge an incident by a link out of a notification. Only a POST does: programs that look
    at links open them."""
    try:
        pk, channel = read_link(token)
        row = Incident.objects.get(pk=pk)
    except (BadSignature, Incident.DoesNotExist):
        context = {"problem": "This link is too old, or not one of ours."}
        return render(request, "dashboard/pages/incidents/acknowledge.html", context, status=404)
    if request.method == "POST":
        actions.acknowledge(row, author=f"link sent by {channel}", now=timezone.now())
        row.refresh_from_db()
    response = render(request, "dashboard/pages/incidents/acknowledge.html", {"incident": row})
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response
