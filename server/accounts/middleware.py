"""Middleware that refuses pages to people without a role."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from server.accounts import roles
from server.http import unavailable

#: Views that people without a role need, to log out and to log in as someone else; and those that
#: say how the server is, whatever the database knows of the person.
OPEN = ("login", "logout", "health", "ready")


class RequireRole(MiddlewareMixin):
    """Refuses people who are logged in and have no role. The read API and sockets check by
    themselves, ingest knows no people, and the views send others to the login."""

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        """Check the person before the view runs. Raises PermissionDenied."""
        match = request.resolver_match
        if match and match.url_name in OPEN:
            return None
        try:
            is_refused = request.user.is_authenticated and roles.role_of(request.user) is None
        except unavailable.DATABASE_ERRORS as error:
            return unavailable.answer(request, error)
        if is_refused:
            raise PermissionDenied("This account has no role yet: an administrator gives it one.")
        return None
