"""The live process: sockets under /ws/ and nothing else."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.config.settings.production")
get_asgi_application()  # sets Django up before our apps are imported

from server.live.lifespan import lifespan  # noqa: E402
from server.live.routing import ExactOrigin, not_found, websocket_urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {
        "websocket": ExactOrigin(
            AuthMiddlewareStack(URLRouter(websocket_urlpatterns)), settings.LIVE_ORIGINS
        ),
        "http": not_found,
        "lifespan": lifespan,
    }
)
