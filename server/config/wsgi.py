"""The web process: ingest endpoint of agents, pages and API of people."""

import os

from django.core.wsgi import get_wsgi_application

from server.config.gc_freeze import freeze_startup_objects

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.config.settings.production")
application = get_wsgi_application()
freeze_startup_objects()
