"""Authentication by API key, with a short in-process cache."""

from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import ClassVar

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from server.http.client_address import is_ip, of_request
from server.nodes.keys import parse_key, secret_matches
from server.nodes.models import ApiKey

CACHE_MAX_KEYS = 10_000
USED_EVERY = timedelta(minutes=1)
#: How long a cached key works on while the database is unavailable: revoking takes a minute.
STALE_S = 45.0


@dataclass(frozen=True)
class KeyHolder:
    """The holder of a valid key, in the place of a user. `node` None: it may speak for any node."""

    key_id: int
    scope: str
    node: str | None
    secret_hash: str
    is_authenticated: ClassVar[bool] = True


_cache: dict[str, tuple[float, KeyHolder]] = {}


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer <key>` or `X-Api-Key: <key>`.

    A revoked key works on for KEY_CACHE_SECONDS.
    """

    def authenticate(self, request: Request) -> tuple[KeyHolder, None]:
        """Return the holder. Raises AuthenticationFailed (401), the same for every cause."""
        return holder_of(request._request), None  # noqa: SLF001 (DRF's way to Django's request)

    def authenticate_header(self, request: Request) -> str:
        """Make the answer a 401 that names the scheme."""
        return "Bearer"


class OptionalApiKeyAuthentication(ApiKeyAuthentication):
    """The same where a key is optional: without one, the next authenticator is tried."""

    def authenticate(self, request: Request) -> tuple[KeyHolder, None] | None:  # type: ignore[override]  # may be None
        """Return the holder, None without a key. Raises AuthenticationFailed for a wrong one."""
        has_key = _key_text(request._request)  # noqa: SLF001
        return super().authenticate(request) if has_key else None


def holder_of(request: HttpRequest) -> KeyHolder:
    """Return the holder of the request's key. Raises AuthenticationFailed (401), the same for every
    cause."""
    key = parse_key(_key_text(request))
    holder = key and find_holder(key.prefix, client_address=of_request(request))
    if not (key and holder and secret_matches(key.secret, holder.secret_hash)):
        raise AuthenticationFailed("No key, or a wrong or revoked one.")
    return holder


def find_holder(prefix: str, *, client_address: str = "") -> KeyHolder | None:
    """Return the live key with this prefix, from the cache or the database.

    `client_address`: the address that presents it, recorded with the time of use.
    """
    known = _cache.get(prefix)
    if known and known[0] > monotonic():
        return known[1]
    try:
        live = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
        keys = ApiKey.objects.filter(live, prefix=prefix, revoked_at=None)
        key = keys.select_related("node").first()
    except (OperationalError, InterfaceError):
        # The inbox accepts batches while PostgreSQL restarts; a recently seen key still counts.
        if known and known[0] + STALE_S > monotonic():
            return known[1]
        raise
    if key is None:
        _cache.pop(prefix, None)
        return None
    holder = KeyHolder(key.pk, key.scope, key.node.name if key.node else None, key.secret_hash)
    if len(_cache) >= CACHE_MAX_KEYS:
        _cache.clear()
    _cache[prefix] = (monotonic() + settings.KEY_CACHE_SECONDS, holder)
    _record_use(key.pk, client_address)
    return holder


def _record_use(key_id: int, client_address: str) -> None:
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - USED_EVERY)
    address = client_address if is_ip(client_address) else None
    ApiKey.objects.filter(stale, pk=key_id).update(last_used_at=now, last_used_from=address)


def _key_text(request: HttpRequest) -> str:
    # Not `headers`, which makes all of them anew for each request.
    scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() == "bearer" and text:
        return str(text).strip()
    return str(request.META.get("HTTP_X_API_KEY", "")).strip()


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Adds our keys to the OpenAPI description."""

    target_class = ApiKeyAuthentication
    name = "ApiKey"
    description = "An API key of this server."

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": self.description}


class ReadKeyScheme(ApiKeyScheme):  # type: ignore[no-untyped-call]
    """The same for the keys that may read."""

    target_class = OptionalApiKeyAuthentication
    name = "ReadKey"
    description = "An API key of scope `read`."
