"""Permissions of the ingest endpoint."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from server.nodes.authentication import KeyHolder


class MayIngest(BasePermission):
    """The key's scope must be among the view's `scopes`."""

    message = "This key's scope does not allow this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        holder: Any = request.user
        return isinstance(holder, KeyHolder) and holder.scope in getattr(view, "scopes", ())
