"""Middleware that refuses pages to people without a role."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from server.accounts import roles

#: Views that people without a role need: to log out and to log in as someone else.
OPEN = ("login", "logout")


class RequireRole(MiddlewareMixin):
    """Refuses people who are logged in and have no role. The read API and sockets check by
    themselves, ingest knows no people, and the views send others to the login."""

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        """Check the person before the view runs. Raises PermissionDenied."""
        match = request.resolver_match
        if match and match.url_name in OPEN:
            return
        if request.user.is_authenticated and roles.role_of(request.user) is None:
            raise PermissionDenied("This account has no role yet: an administrator gives it one.")
