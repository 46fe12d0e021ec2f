"""The pages of rules: all of them, one with its form and preview, and a new one."""

from typing import Any
from urllib.parse import urlencode

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from server.accounts.audit import note
from server.accounts.roles import STAFF, Role, role_of
from server.alerts import actions
from server.alerts.backtest.preview import preview_rule
from server.alerts.conditions.catalogue import CONDITIONS
from server.alerts.definitions import editing
from server.alerts.definitions.parser import drop_defaults
from server.alerts.definitions.queries import rule_changes, rule_states
from server.alerts.models import MAX_NAME_CHARS, MutedRule
from server.alerts.rules import RuleEntry, read_rules
from server.dashboard.pages.rules import page
from server.dashboard.shell.page import carried_params, render_page

MAX_PROBLEM_CHARS = 300
#: Of a rule of one's own before anything was chosen.
NEW = {"severity": "warning"}


def rules(request: HttpRequest) -> HttpResponse:
    """All rules, by family."""
    states = rule_states(timezone.now()).values()
    context = {
        "headline": page.build_headline(states),
        "tables": page.build_tables(states, carried_params(request.GET)),
        "can_edit": role_of(request.user) is Role.ADMIN,
    }
    return render_page(request, "rules/page", context)


def rule(request: HttpRequest, name: str) -> HttpResponse:
    """One rule with its form, what it would have fired, and who changed it."""
    state = rule_states(timezone.now()).get(name)
    if state is None:
        raise Http404("no such rule")
    context = {
        "name": name,
        "state": state,
        "fires": page.describe_threshold(state.entry.rule),
        "now": page.describe_state(state),
        "source": page.describe_source(state),
        "changes": rule_changes(name),
        "can_mute": role_of(request.user) in STAFF,
        "can_edit": role_of(request.user) is Role.ADMIN and not state.entry.file,
    }
    return render_page(request, "rules/rule", context | _preview(request, name, state.entry))


def new_rule(request: HttpRequest) -> HttpResponse:
    """A rule of one's own; its condition is chosen first."""
    condition = request.GET.get("condition", "")
    if condition not in CONDITIONS:
        return render_page(request, "rules/new", {"conditions": page.list_conditions()})
    name = request.GET.get("name", "")[:MAX_NAME_CHARS]
    base = RuleEntry(editing.parse_fields("rule", {"condition": condition, **NEW}).rule)
    context = {
        "name": name,
        "condition": condition,
        "can_edit": role_of(request.user) is Role.ADMIN,
    }
    return render_page(request, "rules/rule", context | _preview(request, name or "rule", base))


def _preview(request: HttpRequest, name: str, entry: RuleEntry) -> dict[str, Any]:
    """Return the form with what was typed into it, and what that would have fired."""
    rule, is_enabled = entry.rule, entry.is_enabled
    written = page.read_form(request.GET, rule)
    context: dict[str, Any] = {"problem": request.GET.get("problem", "")[:MAX_PROBLEM_CHARS]}
    try:
        if written:
            rule = editing.parse_fields(name, page.parse_form(written, entry)).rule
        preview = preview_rule(rule, timezone.now())
        context |= {
            "preview": preview,
            "preview_text": page.describe_preview(preview),
            "firings": page.build_firings(preview, rule),
        }
    except actions.Refused as refusal:
        context |= {"problem": f"{refusal.field}: {refusal}", "wrong_field": refusal.field}
    fields = page.build_fields(rule, written, is_enabled=is_enabled)
    return context | {"rule": rule, "fields": fields}


@require_POST
def act(request: HttpRequest) -> HttpResponse:
    """Save or remove a rule, mute or unmute one; or show its preview where there are no scripts."""
    name, action = request.POST.get("name", ""), request.POST.get("action", "")
    role, query = role_of(request.user), carried_params(request.GET)
    if role is not Role.ADMIN and not (role in STAFF and action in ("mute", "unmute", "preview")):
        return HttpResponse("Only administrators change rules; operators mute them.", status=403)
    try:
        with transaction.atomic():
            _act(request, name, action)
    except actions.Refused as refusal:
        query |= page.read_typed(request.POST) | {"problem": f"{refusal.field}: {refusal}"}
    if action == "preview":
        query |= page.read_typed(request.POST)
    if name in read_rules():
        address = reverse("rule-page", args=[name])
    else:
        address = reverse("rule-list" if action == "remove" else "rule-new")
    return redirect(f"{address}?{urlencode(query)}" if query else address)


def _act(request: HttpRequest, name: str, action: str) -> None:
    """Do what the form says. Raises Refused."""
    now = timezone.now()
    if action == "save":
        entry = read_rules().get(name)
        if entry is not None and "condition" in request.POST:
            raise actions.Refused("name", "There is a rule of this name already.")
        fields = page.parse_form(page.read_typed(request.POST), entry)
        editing.save_rule(request, drop_defaults(editing.parse_fields(name, fields)), now)
    elif action == "remove":
        editing.remove_rule(request, name, now)
    elif action == "mute":
        reason = request.POST.get("reason", "")
        author = request.user.get_username()
        row = actions.mute(name, reason=reason, author=author, now=now)
        note(request, row, f"Muted: {reason}")
    elif action == "unmute" and (mute := MutedRule.objects.filter(rule=name).first()):
        note(request, mute, "Unmuted.")
        actions.unmute(name)
