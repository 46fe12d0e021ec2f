"""One machine, loopback, no TLS: the demo and development."""

from server.config.settings.base import *

DEBUG = env.bool("DEBUG", default=False)
SECURE_SSL_REDIRECT = False
SECURE_HSTS_SECONDS = 0
# Pages on any port: the live process has its own.
LIVE_ORIGINS = env.list(
    "LIVE_ORIGINS", default=ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]"]
)
SESSION_COOKIE_SECURE = False
CSRF_COOKIE_SECURE = False
SESSION_COOKIE_NAME = "sessionid"
CSRF_COOKIE_NAME = "csrftoken"

INSTALLED_APPS = [*INSTALLED_APPS, "server.demo"]
CONTEXT_PROCESSORS.append("server.demo.context.history")
# Events before this time were generated; a banner shows it.
DEMO_HISTORY_UNTIL = env.str("DEMO_HISTORY_UNTIL", default="")
