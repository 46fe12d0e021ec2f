"""Dead letters in the Django admin, to read and discard."""

from django.contrib import admin
from django.http import HttpRequest
from django_dramatiq.models import Task

from server.ingest.models import DeadLetter

# Its pages mark task arguments as safe HTML, and nothing here writes its table.
admin.site.unregister(Task)


@admin.register(DeadLetter)
class DeadLetterAdmin(admin.ModelAdmin[DeadLetter]):
    """Nobody writes one by hand."""

    list_display = ["created_at", "kind", "node", "reason"]
    list_filter = ["kind"]
    search_fields = ["node", "reason"]
    readonly_fields = ["created_at", "kind", "node", "reason", "payload"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """They come from the writer alone."""
        return False
