"""Tests: real PostgreSQL and Redis from the environment; tasks stay in memory."""

import os

# Only for tests, which show nothing to anybody; real settings have no default secret.
os.environ.setdefault("SECRET_KEY", "only-for-tests")
# So that types and layers can be checked where no database runs; tests need the real ones.
os.environ.setdefault("DATABASE_URL", "postgres://mallard@127.0.0.1:1/mallard")
os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:1")

from server.config.broker import redis_database
from server.config.settings.local import *

ALLOWED_HOSTS = ["*"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}
DRAMATIQ_BROKER = DRAMATIQ_BROKER | {"BROKER": "dramatiq.brokers.stub.StubBroker", "OPTIONS": {}}
# Files are served from where they lie, found on request.
WHITENOISE_AUTOREFRESH = WHITENOISE_USE_FINDERS = True
KEY_CACHE_SECONDS = 0
READ_CACHE_SECONDS = 0
INGEST_KEY_RATE = INGEST_ADDRESS_RATE = NEW_NODES_RATE = READ_RATE = "1000000/second"
# Databases of its own for each process of tests, emptied before each test that uses them.
_FIRST = 13 - 3 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
INBOX_REDIS_URL, BROKER_REDIS_URL, LIVE_REDIS_URL = (
    redis_database(REDIS_URL, number) for number in range(_FIRST, _FIRST + 3)
)
