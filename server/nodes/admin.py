"""Nodes and keys in the Django admin."""

from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone

from server.accounts.audit import AuditedAdmin, note
from server.nodes import keys
from server.nodes.models import ApiKey, Node
from server.nodes.store import record_maintenance


@admin.register(Node)
class NodeAdmin(AuditedAdmin[Node]):
    """Nodes appear by themselves when their agent registers, or are added to make a key for one.
    They are retired, not deleted."""

    list_display = ["name", "role", "hostname", "agent_version", "last_seen_at", "in_maintenance",
                    "retired_at"]  # fmt: skip
    list_filter = ["role", "in_maintenance", ("retired_at", admin.EmptyFieldListFilter)]
    search_fields = ["name", "hostname", "notes"]
    readonly_fields = ["role", "hostname", "addresses", "agent_version", "versions", "created_at",
                       "registered_at", "last_seen_at", "received_at", "retired_at"]  # fmt: skip
    fields = ["name", "in_maintenance", "notes", *readonly_fields]
    actions = ["begin_maintenance", "end_maintenance", "retire", "bring_back"]

    @admin.action(description="Begin maintenance", permissions=["change"])
    def begin_maintenance(self, request: HttpRequest, queryset: QuerySet[Node]) -> None:
        self._each(request, queryset, "Maintenance began.", in_maintenance=True)

    @admin.action(description="End maintenance", permissions=["change"])
    def end_maintenance(self, request: HttpRequest, queryset: QuerySet[Node]) -> None:
        self._each(request, queryset, "Maintenance ended.", in_maintenance=False)

    @admin.action(description="Retire: leave out of lists, revoke its keys", permissions=["change"])
    def retire(self, request: HttpRequest, queryset: QuerySet[Node]) -> None:
        """Retire the nodes for good. Their data stays."""
        _revoke(request, ApiKey.objects.filter(node__in=queryset), "Revoked: its node was retired.")
        self._each(request, queryset, "Retired.", retired_at=timezone.now())

    @admin.action(description="Bring back (make a new key for it)", permissions=["change"])
    def bring_back(self, request: HttpRequest, queryset: QuerySet[Node]) -> None:
        """Undo a retirement; revoked keys stay revoked."""
        self._each(request, queryset, "Brought back.", retired_at=None)

    def _each(
        self, request: HttpRequest, queryset: QuerySet[Node], message: str, **changes: Any
    ) -> None:
        for node in queryset:
            for name, value in changes.items():
                setattr(node, name, value)
            node.save(update_fields=list(changes))
            if "in_maintenance" in changes:
                record_maintenance(node, timezone.now())
            note(request, node, message)
        messages.success(request, f"{queryset.count()} nodes: {message}")

    def save_model(
        self, request: HttpRequest, obj: Node, form: ModelForm[Node], change: Any
    ) -> None:
        """Record when maintenance began or ended."""
        super().save_model(request, obj, form, change)
        if "in_maintenance" in form.changed_data:
            record_maintenance(obj, timezone.now())

    def get_readonly_fields(self, request: HttpRequest, obj: Node | None = None) -> list[str]:
        """Keep the name of a known node: its events carry it."""
        return [*self.readonly_fields, *(["name"] if obj else [])]


class KeyForm(ModelForm[ApiKey]):
    """A key: of one node, unless it is chosen that it may speak for any."""

    any_node = forms.BooleanField(
        required=False,
        help_text="Only if one key must speak for many nodes: it may overwrite each of them.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["any_node"] = self.instance.pk is not None and self.instance.node_id is None

    def clean(self) -> dict[str, Any]:
        """Refuse a key that writes for no node in particular."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("scope") in ApiKey.WRITING:
            if not values.get("node") and not values.get("any_node"):
                self.add_error("node", "Choose the node, or say that it is a key of any node.")
            if values.get("node") and values.get("any_node"):
                self.add_error("any_node", "A key is of one node or of any.")
        return values


@admin.register(ApiKey)
class ApiKeyAdmin(AuditedAdmin[ApiKey]):
    """Making a key shows its text once. A key is revoked, not deleted, for the record."""

    list_display = ["name", "prefix", "scope", "node", "created_at", "last_used_at",
                    "last_used_from", "expires_at", "revoked_at"]  # fmt: skip
    list_filter = ["scope", ("revoked_at", admin.EmptyFieldListFilter)]
    search_fields = ["name", "prefix", "node__name"]
    autocomplete_fields = ["node"]
    form = KeyForm
    fields = ["name", "scope", "node", "any_node", "prefix", "created_at", "last_used_at",
              "last_used_from", "expires_at", "revoked_at"]  # fmt: skip
    readonly_fields = ["prefix", "created_at", "last_used_at", "last_used_from", "revoked_at"]
    actions = ["rotate", "revoke"]

    def save_model(
        self, request: HttpRequest, obj: ApiKey, form: ModelForm[ApiKey], change: Any
    ) -> None:
        """Give a new key its secret and show it, this once."""
        if not change:
            text = keys.new_key()
            obj.prefix, obj.secret_hash = text.prefix, keys.hash_secret(text.secret)
            _show_once(request, str(text))
        super().save_model(request, obj, form, change)

    @admin.action(description="Rotate: a new key each, the old one expires", permissions=["change"])
    def rotate(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """Issue successors; the old keys work on for KEY_ROTATION_HOURS, to be exchanged in."""
        until = timezone.now() + timedelta(hours=settings.KEY_ROTATION_HOURS)
        for key in queryset.filter(revoked_at=None):
            _show_once(request, key.rotate(old_works_until=until), of=key.name)
            note(request, key, f"Rotated; works until {key.expires_at:%F %T} UTC.")
        messages.success(request, f"The old keys work until {until:%F %T} UTC.")

    @admin.action(description="Revoke the selected keys", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """Refuse the keys from now on (once the short caches of the web processes expire)."""
        count = _revoke(request, queryset, "Revoked.")
        messages.success(request, f"Revoked {count} keys.")


def _revoke(request: HttpRequest, chosen: QuerySet[ApiKey], message: str) -> int:
    """Revoke the live ones of `chosen` with an entry in the log each; return how many."""
    live = list(chosen.filter(revoked_at=None))
    for key in live:
        key.revoked_at = timezone.now()
        key.save(update_fields=["revoked_at"])
        note(request, key, message)
    return len(live)


def _show_once(request: HttpRequest, text: str, *, of: str = "") -> None:
    whose = f" of {of}" if of else ""
    messages.warning(request, f"Copy this key{whose} now, it is not shown again: {text}")
