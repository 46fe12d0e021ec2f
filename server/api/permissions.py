"""Permission to read: for people with a role, and programs with a key of the scope `read`."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from server.accounts.roles import role_of
from server.ingest import rate_limit
from server.nodes.authentication import KeyHolder, OptionalApiKeyAuthentication
from server.nodes.models import ApiKey

REFUSALS = {
    400: OpenApiResponse(description="The query string names what is wrong with it."),
    401: OpenApiResponse(description="Neither logged in nor a key, or a wrong or revoked one."),
    403: OpenApiResponse(description="A key of another scope than `read`, or nobody's role."),
    429: OpenApiResponse(description="Over the rate of this reader; `Retry-After` says when."),
}
NOT_FOUND = {404: OpenApiResponse(description="There is no such node, kind or event.")}


class MayRead(BasePermission):
    """A session of a person, or a key of the scope `read`. A key bound to a node reads all."""

    message = "This key's scope, or an account without a role, does not allow reading."

    def has_permission(self, request: Request, view: APIView) -> bool:
        user: Any = request.user
        if isinstance(user, KeyHolder):
            return user.scope == ApiKey.Scope.READ
        return role_of(user) is not None


class ReadView(APIView):
    """Base of the views of the read API."""

    authentication_classes = [OptionalApiKeyAuthentication, SessionAuthentication]
    permission_classes = [MayRead]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Count the request for its reader."""
        super().initial(request, *args, **kwargs)
        user: Any = request.user
        reader = f"key {user.key_id}" if isinstance(user, KeyHolder) else f"person {user.pk}"
        rate_limit.check_reader(reader)

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        """Keep answers out of the caches of browsers and proxies: most hold addresses."""
        answer: Response = super().finalize_response(request, response, *args, **kwargs)
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer
