"""The checks, against a Redis that is set up wrongly on purpose and put right again."""

import contextlib

import pytest
import redis
from django.conf import settings
from django.test import override_settings

from build.stack import redis as stack
from server.config.broker import redis_database
from server.ingest.checks import limits_can_be_read, redis_keeps_the_inbox
from tests.programs import run_service


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory):
    """One whose settings change while other tests run: not theirs."""
    with run_service(stack.start, tmp_path_factory.mktemp("redis")) as running:
        yield running.url


@pytest.fixture(autouse=True)
def use_own_redis(own_redis, settings):
    settings.INBOX_REDIS_URL, settings.BROKER_REDIS_URL, settings.LIVE_REDIS_URL = (
        redis_database(own_redis, number) for number in range(3)
    )


@contextlib.contextmanager
def redis_with(name, value):
    with redis.Redis.from_url(settings.INBOX_REDIS_URL, decode_responses=True) as client:
        before = client.config_get(name)[name]
        client.config_set(name, value)
        try:
            yield
        finally:
            client.config_set(name, before)


def ids():
    return [message.id for message in redis_keeps_the_inbox(None)]


def test_the_redis_of_the_tests_is_set_up_as_production_wants_it():
    assert ids() == []


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("appendonly", "no", "ingest.E003"),
        ("appendfsync", "everysec", "ingest.W001"),
        ("maxmemory-policy", "allkeys-lru", "ingest.E004"),
    ],
)
def test_a_redis_that_may_lose_batches_is_found(name, value, found):
    with redis_with(name, value):
        assert ids() == [found]


def test_a_shared_database_is_found():
    with override_settings(LIVE_REDIS_URL=settings.INBOX_REDIS_URL):
        assert ids() == ["ingest.E001"]


def test_a_redis_that_is_not_there_is_found():
    with override_settings(INBOX_REDIS_URL="redis://127.0.0.1:1"):
        assert ids() == ["ingest.E002"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INGEST_KEY_RATE", "fast"),
        ("INGEST_ADDRESS_RATE", "x/second"),
        ("TRUSTED_PROXIES", ["10.0.0.0/99"]),
    ],
)
def test_a_limit_that_cannot_be_read_is_named_at_start(name, value):
    with override_settings(**{name: value}):
        (message,) = limits_can_be_read(None)

    assert message.id == "ingest.E005"
    assert name in message.msg
