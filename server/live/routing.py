"""Routes of the live process, and its answers to what has none."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import OriginValidator
from django.urls import path

from server.live.consumers import FlowConsumer

NO_SUCH_SOCKET = 4404


class ExactOrigin:
    """Lets in the pages of the given origins (scheme, host and port) to the routes there are."""

    def __init__(self, application: Any, origins: Sequence[str]) -> None:
        self.application = application
        self._validator = OriginValidator(application, origins)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"].removeprefix("/")
        is_route = any(route.pattern.match(path) for route in websocket_urlpatterns)
        application = self.application if is_route and self._lets_in(scope) else not_found
        await application(scope, receive, send)

    def _lets_in(self, scope: Any) -> bool:
        origins = [value for name, value in scope.get("headers", ()) if name == b"origin"]
        try:
            (origin,) = origins
            return bool(self._validator.valid_origin(urlsplit(origin.decode("ascii"))))
        except ValueError:  # none or several, or no URL
            return False


async def not_found(scope: Any, receive: Any, send: Any) -> None:
    """Refuse a socket, or any plain request."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": NO_SUCH_SOCKET})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": b"Only the sockets of pages are here.\n"})


# Channels routes with Django's path(), whose types know only HTTP views.
_flow: Any = FlowConsumer.as_asgi()
websocket_urlpatterns: list[Any] = [path("ws/live/", _flow)]
