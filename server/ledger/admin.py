"""The completeness ledger in the Django admin, for reading only."""

from django.contrib import admin

from server.accounts.audit import ReadOnlyAdmin
from server.ledger.models import Epoch


@admin.register(Epoch)
class EpochAdmin(ReadOnlyAdmin[Epoch]):
    """Received numbers of each agent. Only the writer writes them."""

    list_display = ["node", "epoch", "received", "dropped", "refused", "repeated_count",
                    "last_received_at"]  # fmt: skip
    search_fields = ["node", "epoch"]
    date_hierarchy = "last_received_at"
