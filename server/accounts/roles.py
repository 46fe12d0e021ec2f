"""The three roles and their permissions. A person has one; without one nothing is shown.

A role is a Django group of that name; `ensure_groups` keeps the groups' permissions as they are
here. A superuser is an administrator whatever the groups are.
"""

from enum import StrEnum
from typing import Any

from django.contrib.auth.models import Group, Permission


class Role(StrEnum):
    """Roles, most powerful first."""

    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"


#: Permissions in the admin, beside seeing all pages: app label → actions on models.
#: Keys and log entries are never deleted; the admin's own classes see to it.
_OPERATOR: dict[str, tuple[str, ...]] = {
    "nodes": ("view_node", "change_node", "view_apikey"),
    "ingest": ("view_deadletter", "change_deadletter"),
    "ledger": ("view_epoch",),
    "events": ("view_replyclass", "add_replyclass", "change_replyclass"),
    "alerts": (
        "view_channel",
        "view_notificationroute",
        "view_outboxnotification",
        "view_deliveryattempt",
    ),
    "admin": ("view_logentry",),
}
_ADMIN = _OPERATOR | {
    "nodes": (*_OPERATOR["nodes"], "add_node", "add_apikey", "change_apikey"),
    "alerts": (
        *_OPERATOR["alerts"],
        "add_channel",
        "change_channel",
        "add_notificationroute",
        "change_notificationroute",
        "delete_notificationroute",
    ),
    "auth": ("view_user", "add_user", "change_user"),
    # Deleting a failed login lets the person try again.
    "axes": ("view_accessattempt", "delete_accessattempt", "view_accesslog"),
}
PERMISSIONS = {Role.ADMIN: _ADMIN, Role.OPERATOR: _OPERATOR, Role.VIEWER: {}}
#: These may use the Django admin.
STAFF = (Role.ADMIN, Role.OPERATOR)


def role_of(user: Any) -> Role | None:
    """Return the role of a logged-in person, None without one. One query, remembered on `user`."""
    if not (user and user.is_authenticated and user.is_active):
        return None
    if user.is_superuser:
        return Role.ADMIN
    if not hasattr(user, "mallard_role"):
        names = set(user.groups.values_list("name", flat=True))
        user.mallard_role = next((role for role in Role if role in names), None)
    role: Role | None = user.mallard_role
    return role


def assign(user: Any, role: Role) -> None:
    """Make `role` the only role of `user`, and admit them to the admin or not."""
    user.groups.set([Group.objects.get(name=role)])
    user.mallard_role = role
    user.is_staff = role in STAFF
    user.save(update_fields=["is_staff"])


def ensure_groups(**_signal: Any) -> None:
    """Make the groups, each with its permissions and no other. Runs after each migrate."""
    for role, by_app in PERMISSIONS.items():
        group, _ = Group.objects.get_or_create(name=role)
        wanted = [
            permission
            for app, codenames in by_app.items()
            for permission in Permission.objects.filter(
                content_type__app_label=app, codename__in=codenames
            )
        ]
        group.permissions.set(wanted)
