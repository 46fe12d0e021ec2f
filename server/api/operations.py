"""Views in which operators act: their role is checked, and each action is in the audit log."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from server.accounts.audit import note
from server.accounts.roles import STAFF, Role, role_of
from server.alerts.actions import Refused
from server.api.permissions import MayRead, ReadView
from server.nodes.authentication import KeyHolder


class MayOperate(BasePermission):
    """To read as everybody who may; to act, a session of an operator or administrator."""

    message = "Only operators and administrators, logged in, may do that."

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.method in SAFE_METHODS:
            return MayRead().has_permission(request, view)
        user: Any = request.user
        return not isinstance(user, KeyHolder) and role_of(user) in STAFF


class OperatorView(ReadView):
    """Base of the views that are read by all and acted in by operators."""

    permission_classes = [MayOperate]

    @property
    def author(self) -> str:
        """The name of who acts."""
        return str(self.request.user.get_username())

    def parse(self, body: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """Return the validated body. Raises ValidationError."""
        values = body(data=self.request.data)
        values.is_valid(raise_exception=True)
        return dict(values.validated_data)

    @property
    def person(self) -> HttpRequest:
        """The request with the person who acts, as the audit log takes it."""
        request: HttpRequest = self.request._request  # noqa: SLF001 (documented by its users alone)
        request.user = self.request.user
        return request

    def require_administrator(self) -> None:
        """Refuse everybody else. Raises PermissionDenied."""
        if role_of(self.request.user) is not Role.ADMIN:
            raise PermissionDenied("Only administrators may do that.")

    def require_staff(self) -> None:
        """Refuse viewers: what concerns operators, they and read keys may read. Raises
        PermissionDenied."""
        user: Any = self.request.user
        if not isinstance(user, KeyHolder) and role_of(user) not in STAFF:
            raise PermissionDenied("Only operators, administrators and read keys may read that.")

    def audit(self, target: Model, message: str) -> None:
        """Log that this person did something to `target`."""
        note(self.person, target, message)


@contextmanager
def act() -> Iterator[None]:
    """Do all or nothing, with its log. What makes no sense is a 400 that names the field."""
    try:
        with transaction.atomic():
            yield
    except Refused as refusal:
        raise ValidationError({refusal.field: [str(refusal)]}) from refusal
