"""Routes of the live process."""

from django.urls import path

from server.live.consumers import FlowConsumer

websocket_urlpatterns = [path("ws/live/", FlowConsumer.as_asgi())]
