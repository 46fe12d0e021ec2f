"""Dead letters in the Django admin: read, retried, discarded."""

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
    """What could not be stored. Each action leaves an entry in the admin's log."""

    list_display = ["created_at", "kind", "node", "reason"]
    list_filter = ["kind", "node"]
    search_fields = ["node", "reason", "payload"]
    fields = ["created_at", "kind", "node", "reason", "preview"]
    readonly_fields = ["created_at", "kind", "node", "reason", "preview"]
    actions = ["retry", "discard"]

    @admin.display(description="Payload")
    def preview(self, letter: DeadLetter) -> SafeString:
        """Show the payload field by field. It is foreign text: escaped, never marked safe."""
        fields = dead_letters.preview(letter.kind, letter.payload)
        return format_html_join("", "<div><b>{}</b> <code>{}</code></div>", fields)

    @admin.action(description="Retry: hand them to the writer again")
    def retry(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        """Put each back into the inbox. What fails again comes back as a new letter."""
        try:
            count = self._each(request, queryset, CHANGE, "Retried.", dead_letters.retry)
        except IngestError as error:
            messages.error(request, f"Not all were retried: {error.detail}")
            return
        messages.success(request, f"{count} dead letters handed to the writer.")

    @admin.action(description="Discard for good")
    def discard(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        """Delete each."""
        count = self._each(request, queryset, DELETION, "Discarded.", dead_letters.discard)
        messages.success(request, f"{count} dead letters discarded.")

    def _each(
        self,
        request: HttpRequest,
        queryset: QuerySet[DeadLetter],
        flag: int,
        what: str,
        act: dead_letters.Act,
    ) -> int:
        letters = list(queryset)
        for letter in letters:
            # The log first: an action nobody can trace is worse than a trace of none.
            note(request, letter, what, flag=flag)
            act(letter)
        return len(letters)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """They come from the writer alone."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: DeadLetter | None = None) -> bool:
        """By the action, which is logged."""
        return False
