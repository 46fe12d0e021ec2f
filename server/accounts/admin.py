"""People and their role in the Django admin."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group, User
from django.http import HttpRequest

from server.accounts import audit, roles
from server.accounts.forms import AdminLoginForm
from server.accounts.roles import Role

__all__ = ["audit"]  # registers the audit log

admin.site.login_form = AdminLoginForm
admin.site.unregister(User)
admin.site.unregister(Group)  # a role is chosen with the person; its permissions are in roles.py

ROLE = forms.ChoiceField(
    choices=[(role.value, role.value) for role in Role],
    initial=Role.VIEWER.value,
    help_text="viewer: all pages. operator: also nodes and dead letters. admin: also keys, people.",
)


class PersonForm(UserChangeForm[User]):
    """A person, with a role in the place of groups and permissions."""

    role = ROLE

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        role = roles.role_of(self.instance) if self.instance.pk else None
        self.initial["role"] = role.value if role else ""


class NewPersonForm(AdminUserCreationForm[User]):
    """A new person, with a role from the beginning."""

    role = ROLE


@admin.register(User)
class PersonAdmin(UserAdmin[User], audit.AuditedAdmin[User]):
    """People are switched off, not deleted: the audit log names them."""

    form = PersonForm
    add_form = NewPersonForm
    list_display = ["username", "role", "email", "is_active", "last_login"]
    list_filter = ["groups", "is_active"]
    filter_horizontal = []
    fieldsets = [
        (None, {"fields": ["username", "password", "role", "is_active"]}),
        ("Person", {"fields": ["first_name", "last_name", "email"]}),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [(None, {"fields": ["username", "password1", "password2", "role", "email"]})]
    readonly_fields = ["last_login", "date_joined"]

    @admin.display(description="role")
    def role(self, user: User) -> str:
        """Name the role; `none` for a person who may see nothing yet."""
        role = roles.role_of(user)
        return role.value if role else "none"

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        super().save_related(request, form, formsets, change)
        roles.assign(form.instance, Role(form.cleaned_data["role"]))

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Only a superuser changes a superuser: else an admin could take their password."""
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)
