"""Dead letters in the Django admin: view, retry, discard."""

from collections.abc import Callable

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, DELETION
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django_dramatiq.models import Task

from server.accounts.audit import note
from server.ingest import dead_letters
from server.ingest.errors import IngestError
from server.ingest.models import DeadLetter

# Its pages mark task arguments as safe HTML, and nothing here writes its table.
admin.site.unregister(Task)


@admin.register(DeadLetter)
class DeadLetterAdmin(admin.ModelAdmin[DeadLetter]):
    """Events and samples that could not be stored. Each action is logged in the admin's log."""

    list_display = ["created_at", "kind", "node", "reason"]
    list_filter = ["kind", "node"]
    search_fields = ["node", "reason", "payload"]
    fields = ["created_at", "kind", "node", "reason", "preview"]
    readonly_fields = ["created_at", "kind", "node", "reason", "preview"]
    actions = ["retry", "discard"]

    @admin.display(description="Payload")
    def preview(self, dead_letter: DeadLetter) -> SafeString:
        """Show the payload field by field. It is foreign text: escaped, never marked safe."""
        fields = dead_letters.preview(dead_letter.kind, dead_letter.payload)
        return format_html_join("", "<div><b>{}</b> <code>{}</code></div>", fields)

    @admin.action(description="Retry: hand them to the writer again")
    def retry(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        """Put each back into the inbox. One that fails again comes back as a dead letter."""
        try:
            count = self._each(request, queryset, CHANGE, "Retried.", dead_letters.retry)
        except IngestError as error:
            messages.error(request, f"Not all were retried: {error.detail}")
            return
        messages.success(request, f"{count} dead letters handed to the writer.")

    @admin.action(description="Discard for good")
    def discard(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        count = self._each(request, queryset, DELETION, "Discarded.", DeadLetter.delete)
        messages.success(request, f"{count} dead letters discarded.")

    def _each(
        self,
        request: HttpRequest,
        queryset: QuerySet[DeadLetter],
        flag: int,
        message: str,
        action: Callable[[DeadLetter], object],
    ) -> int:
        selected = list(queryset)
        for dead_letter in selected:
            # Log first: an action without a log entry is worse than an entry without its action.
            note(request, dead_letter, message, flag=flag)
            action(dead_letter)
        return len(selected)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: only the writer makes them."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: DeadLetter | None = None) -> bool:
        """Return False: the action deletes, and is logged."""
        return False
