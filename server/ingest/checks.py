"""Deployment checks: Redis must keep what was accepted. Run by `manage.py check --deploy`."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import redis
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

from server.http.client_address import networks
from server.ingest import rate_limit
from server.ingest.health import DATABASES

SHIPPED = "ansible/roles/mallard_server/files/redis.conf has the settings."
CONNECT_TIMEOUT_S = 3.0


@register()
def limits_can_be_read(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Name each rate or network that cannot be parsed."""
    problems: list[CheckMessage] = []
    for name, read in (
        ("INGEST_KEY_RATE", rate_limit.parse),
        ("INGEST_ADDRESS_RATE", rate_limit.parse),
        ("NEW_NODES_RATE", rate_limit.parse),
        ("READ_RATE", rate_limit.parse),
        ("TRUSTED_PROXIES", networks),
    ):
        try:
            read(getattr(settings, name))
        except ValueError as error:
            hint = "docs/configuration.md shows how it is written."
            problems.append(Error(f"{name}: {error}", hint=hint, id="ingest.E005"))
    return problems


@register(deploy=True)
def redis_keeps_the_inbox(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Check the Redis of the inbox: persistence, eviction, and a database of its own."""
    return [*_databases(), *_persistence()]


def _databases() -> Iterator[CheckMessage]:
    names = DATABASES.values()
    if len({getattr(settings, name) for name in names}) < len(names):
        hint = f"Give {', '.join(names)} different database numbers."
        message = "Inbox, broker and live counters share a Redis database."
        yield Error(message, hint=hint, id="ingest.E001")


def _persistence() -> Iterator[CheckMessage]:
    client = redis.Redis.from_url(
        settings.INBOX_REDIS_URL,
        decode_responses=True,
        socket_timeout=CONNECT_TIMEOUT_S,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
    )
    try:
        memory: Any = client.info("memory")
        persistence: Any = client.info("persistence")
        sync: Any = None
        with suppress(redis.ResponseError):  # a hosted Redis does not allow CONFIG
            config: Any = client.config_get("appendfsync")
            sync = config.get("appendfsync")
    except redis.RedisError as error:
        hint = "Look at INBOX_REDIS_URL, and whether Redis runs."
        yield Error(f"The inbox's Redis cannot be reached: {error}", hint=hint, id="ingest.E002")
        return
    finally:
        client.close()
    if not persistence["aof_enabled"]:
        message = "The inbox's Redis has no append-only file: a restart loses accepted batches."
        yield Error(message, hint=f"appendonly yes. {SHIPPED}", id="ingest.E003")
    elif sync not in {"always", None}:
        message = f"The inbox's Redis syncs {sync!r}: a power cut may lose accepted batches."
        yield CheckWarning(message, hint=f"appendfsync always. {SHIPPED}", id="ingest.W001")
    if memory["maxmemory_policy"] != "noeviction":
        message = f"The inbox's Redis may evict batches ({memory['maxmemory_policy']})."
        yield Error(message, hint=f"maxmemory-policy noeviction. {SHIPPED}", id="ingest.E004")
