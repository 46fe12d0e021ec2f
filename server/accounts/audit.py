"""The audit log: Django's own log of the admin, with the values that changed, for reading only."""

from collections.abc import Collection
from typing import Any, Generic, TypeVar

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Model
from django.forms import BaseForm
from django.http import HttpRequest

M = TypeVar("M", bound=Model)
#: Values of these are never logged.
SECRET = ("password", "password1", "password2", "secret_hash")
SHOWN_CHARS = 200


def note(request: HttpRequest, target: Model, message: str, *, flag: int = CHANGE) -> None:
    """Log that the person of `request` did something to `target`."""
    user_id = int(request.user.pk or 0)  # the admin needs an account
    LogEntry.objects.log_actions(
        user_id, [target], flag, change_message=message, single_object=True
    )


class ReadOnlyAdmin(admin.ModelAdmin[M], Generic[M]):
    """A read-only admin: its rows are written elsewhere."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


class AuditedAdmin(admin.ModelAdmin[M], Generic[M]):
    """An admin that deletes nothing, and logs the old and new value of each changed field."""

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Return False: the log names what it was."""
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Refuse filters by a secret in the query string: it would come out bit by bit."""
        is_secret = not set(lookup.split("__")).isdisjoint(SECRET)
        return not is_secret and super().lookup_allowed(lookup, value, request)

    def construct_change_message(  # type: ignore[override]  # a text is accepted too
        self, request: HttpRequest, form: BaseForm, formsets: Any, add: bool = False
    ) -> str:
        """Name each changed field with both values, secrets apart."""
        return "Made." if add else describe_changes(form)


def describe_changes(form: BaseForm, secrets: Collection[str] = ()) -> str:
    """Return each changed field with both values; of SECRET and `secrets` that they changed."""
    hidden = {*SECRET, *secrets}
    changes = [_change(form, name, hidden) for name in form.changed_data]
    return "; ".join(changes) or "Nothing changed."


def _change(form: BaseForm, name: str, hidden: Collection[str]) -> str:
    if name in hidden:
        return f"{name}: changed"
    before, after = form.initial.get(name), form.cleaned_data.get(name)
    return f"{name}: {_format(before)} → {_format(after)}"


def _format(value: Any) -> str:
    return repr(value if isinstance(value, str | int | bool | None) else str(value))[:SHOWN_CHARS]


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin[LogEntry]):
    """Log entries. Only the admin itself writes them."""

    list_display = ["action_time", "user", "content_type", "object_repr", "change_message"]
    list_filter = ["action_flag", "content_type"]
    search_fields = ["object_repr", "change_message", "user__username"]
    date_hierarchy = "action_time"
    list_select_related = ["user", "content_type"]
