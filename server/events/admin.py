"""Classes that people assign to replies, in the Django admin. Each change is in the audit log."""

from django.contrib import admin
from django.http import HttpRequest

from server.accounts.audit import AuditedAdmin
from server.events.models import ReplyClass


@admin.register(ReplyClass)
class ReplyClassAdmin(AuditedAdmin[ReplyClass]):
    """The text is given by its example, which a page of the dashboard fills in."""

    list_display = ["text", "bounce_class", "assigned_at"]
    list_filter = ["bounce_class"]
    search_fields = ["example", "fingerprint"]
    fields = ["example", "text", "bounce_class", "fingerprint"]

    def get_readonly_fields(self, request: HttpRequest, obj: ReplyClass | None = None) -> list[str]:
        """Keep the example: another one is another text."""
        return ["text", "fingerprint", *(["example"] if obj else [])]
