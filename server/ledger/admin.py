"""The completeness ledger in the Django admin, for reading only."""

from django.contrib import admin
from django.http import HttpRequest

from server.ledger.models import Epoch


@admin.register(Epoch)
class EpochAdmin(admin.ModelAdmin[Epoch]):
    """What arrived of each agent's numbers. The writer alone writes here."""

    list_display = ["node", "epoch", "received", "dropped", "repeated_count", "refused_count",
                    "last_received_at"]  # fmt: skip
    search_fields = ["node", "epoch"]
    date_hierarchy = "last_received_at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Epoch | None = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Epoch | None = None) -> bool:
        """Nobody."""
        return False
