"""Routes of the live process."""

from typing import Any

from django.urls import path

from server.live.consumers import FlowConsumer

# Channels routes with Django's path(), whose types know only HTTP views.
_flow: Any = FlowConsumer.as_asgi()
websocket_urlpatterns: list[Any] = [path("ws/live/", _flow)]
