"""Changes of rules by people, in the audit log: pages and the API change rules by these alone."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from server.accounts.audit import note
from server.alerts.actions import Refused
from server.alerts.conditions.parameters import BadRule
from server.alerts.definitions.parser import Definition, parse_definition
from server.alerts.definitions.store import remove_definition, save_definition
from server.alerts.models import RuleDefinition


def parse_fields(name: str, fields: Mapping[str, Any]) -> Definition:
    """Return what somebody defines. Raises Refused, which names the field."""
    try:
        return parse_definition(name, fields, f"[{name}]")
    except BadRule as error:
        raise Refused(error.field or "name", f"{error.problem}. {error.fix}") from error


def save_rule(request: HttpRequest, definition: Definition, now: datetime) -> None:
    """Store a definition for the person of `request`. Raises Refused."""
    with transaction.atomic():
        change = save_definition(definition, author=request.user.get_username(), now=now)
        if change:
            note(request, RuleDefinition.objects.get(name=change.rule), change.text)


def remove_rule(request: HttpRequest, name: str, now: datetime) -> None:
    """Remove a definition for the person of `request`. Raises Refused."""
    with transaction.atomic():
        row = RuleDefinition.objects.filter(name=name).first()
        change = remove_definition(name, author=request.user.get_username(), now=now)
        if change and row:
            note(request, row, change.text)
