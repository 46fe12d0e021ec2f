"""Tests: real PostgreSQL and Redis from the environment; tasks stay in memory."""

import os

# Only for tests, which show nothing to anybody; real settings have no default secret.
os.environ.setdefault("SECRET_KEY", "only-for-tests")
# So that types and layers can be checked where no database runs; tests need the real ones.
os.environ.setdefault("DATABASE_URL", "postgres://mallard@127.0.0.1:1/mallard")
os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:1")

from server.config.settings.local import *

ALLOWED_HOSTS = ["*"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}
DRAMATIQ_BROKER = DRAMATIQ_BROKER | {"BROKER": "dramatiq.brokers.stub.StubBroker", "OPTIONS": {}}
KEY_CACHE_SECONDS = 0
