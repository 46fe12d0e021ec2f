"""Nodes and keys in the Django admin."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone

from server.nodes import keys
from server.nodes.models import ApiKey, Node


@admin.register(Node)
class NodeAdmin(admin.ModelAdmin[Node]):
    """Nodes appear by themselves when their agent registers."""

    list_display = ["name", "role", "hostname", "agent_version", "last_seen_at"]
    list_filter = ["role"]
    search_fields = ["name", "hostname"]
    readonly_fields = [
        "hostname",
        "addresses",
        "agent_version",
        "versions",
        "created_at",
        "registered_at",
        "last_seen_at",
    ]


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin[ApiKey]):
    """Making a key shows its text once. A key is revoked, not deleted, so that it is remembered."""

    list_display = ["name", "prefix", "scope", "node", "created_at", "last_used_at", "revoked_at"]
    list_filter = ["scope", "revoked_at"]
    search_fields = ["name", "prefix", "node__name"]
    autocomplete_fields = ["node"]
    fields = ["name", "scope", "node", "prefix", "created_at", "last_used_at", "revoked_at"]
    readonly_fields = ["prefix", "created_at", "last_used_at", "revoked_at"]
    actions = ["revoke"]

    def save_model(
        self, request: HttpRequest, obj: ApiKey, form: ModelForm[ApiKey], change: Any
    ) -> None:
        """Give a new key its secret and show it, this once."""
        if not change:
            text = keys.new_key()
            obj.prefix, obj.secret_hash = text.prefix, keys.hash_secret(text.secret)
            messages.warning(request, f"Copy this key now, it is not shown again: {text}")
        super().save_model(request, obj, form, change)

    @admin.action(description="Revoke the selected keys")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """Refuse the keys from now on (felt once the short caches of the web processes expire)."""
        count = queryset.filter(revoked_at=None).update(revoked_at=timezone.now())
        messages.success(request, f"Revoked {count} keys.")

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        """Keys stay, revoked."""
        return False
