"""The web process: the door for agents, pages and API for people."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.config.settings.production")
application = get_wsgi_application()
