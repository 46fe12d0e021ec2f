"""Channels, routes, and the log of deliveries in the Django admin."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from server.accounts.audit import AuditedAdmin, ReadOnlyAdmin, note
from server.alerts.models import OutboxNotification
from server.alerts.notifications import store
from server.alerts.notifications.channels import KINDS
from server.alerts.notifications.forms import (
    PREFIX,
    RouteForm,
    describe_changes,
    find_warning,
    make_channel_form,
)
from server.alerts.notifications.models import Channel, DeliveryAttempt, NotificationRoute


@admin.register(Channel)
class ChannelAdmin(AuditedAdmin[Channel]):
    """A channel is of a kind, which is chosen first. It is switched off, not deleted: the log of
    deliveries names it."""

    list_display = ["name", "kind", "is_enabled", "last_delivery"]
    list_filter = ["kind", "is_enabled"]
    actions = ["send_test"]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Let the kind be chosen, then show its form."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.GET.get("kind") in KINDS:
            return super().add_view(request, form_url, extra_context)
        context = {**self.admin_site.each_context(request), "kinds": KINDS.values(),
                   "title": "Choose the kind of channel"}  # fmt: skip
        return render(request, "notifications/kinds.html", context)

    def get_form(
        self, request: HttpRequest, obj: Channel | None = None, change: bool = False, **kwargs: Any
    ) -> type[ModelForm[Channel]]:
        """Return the form of the channel's kind."""
        return make_channel_form(obj.kind if obj else request.GET["kind"])

    def get_fields(self, request: HttpRequest, obj: Channel | None = None) -> list[Any]:
        kind = obj.kind if obj else request.GET["kind"]
        own = [PREFIX + each.name for each in KINDS[kind].fields]
        return ["name", *own, "is_enabled", "digest_over"]

    def construct_change_message(  # type: ignore[override]  # a text is accepted too
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> str:
        """Name changed secrets without their values."""
        return "Made." if add else describe_changes(form)

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: Any) -> None:
        """Store it, and warn of a relay that is watched."""
        super().save_model(request, obj, form, change)
        if warning := find_warning(obj):
            messages.error(request, warning)

    @admin.action(description="Send a test", permissions=["change"])
    def send_test(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        """Send a test by each, the same way as the real thing."""
        for channel in queryset:
            store.send_test(channel, timezone.now())
            note(request, channel, "Sent a test.")
            if warning := find_warning(channel):
                messages.error(request, f"{channel.name}: {warning}")
        log = reverse("admin:alerts_outboxnotification_changelist")
        messages.success(request, f"Sent; whether it arrived is in the log of deliveries, {log}")

    @admin.display(description="Last delivery")
    def last_delivery(self, channel: Channel) -> str:
        last = DeliveryAttempt.objects.filter(notification__channel=channel.name).last()
        return str(last) if last else "none yet"


@admin.register(NotificationRoute)
class NotificationRouteAdmin(AuditedAdmin[NotificationRoute]):
    """Routes are tried in the order of their positions."""

    list_display = ["name", "position", "rules", "severities", "node", "subject", "steps"]
    form = RouteForm

    def has_delete_permission(
        self, request: HttpRequest, obj: NotificationRoute | None = None
    ) -> bool:
        """Let a route be deleted: nothing but new notifications needs it."""
        return request.user.has_perm("alerts.delete_notificationroute")


class AttemptInline(admin.TabularInline[DeliveryAttempt, OutboxNotification]):
    """The attempts of a notification."""

    model = DeliveryAttempt
    readonly_fields = ["at", "duration_ms", "status", "error"]
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(OutboxNotification)
class OutboxNotificationAdmin(ReadOnlyAdmin[OutboxNotification]):
    """The log of deliveries: what was sent to whom, and whether it arrived."""

    list_display = ["created_at", "kind", "channel", "text", "state", "attempts_count", "sent_at",
                    "last_error"]  # fmt: skip
    list_filter = ["state", "kind", "channel"]
    list_select_related = ["transition"]
    date_hierarchy = "created_at"
    inlines = [AttemptInline]

    @admin.display(description="Text")
    def text(self, row: OutboxNotification) -> str:
        return row.transition.text if row.transition else "test"
