"""The web process: the door for agents, pages and API for people."""

import os

from django.core.wsgi import get_wsgi_application

from server.config.gc_freeze import settle

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.config.settings.production")
application = get_wsgi_application()
settle()
