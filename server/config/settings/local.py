"""One machine, loopback, no TLS: the demo and development."""

from server.config.settings.base import *

DEBUG = env.bool("DEBUG", default=False)
SECURE_SSL_REDIRECT = False
SECURE_HSTS_SECONDS = 0
SESSION_COOKIE_SECURE = False
CSRF_COOKIE_SECURE = False
SESSION_COOKIE_NAME = "sessionid"
CSRF_COOKIE_NAME = "csrftoken"

INSTALLED_APPS = [*INSTALLED_APPS, "server.demo"]
CONTEXT_PROCESSORS.append("server.demo.context.history")
# Events before this time were generated; a banner shows it.
DEMO_HISTORY_UNTIL = env.str("DEMO_HISTORY_UNTIL", default="")
