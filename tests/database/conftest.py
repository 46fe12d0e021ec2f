"""Fixtures of the server's tests: a client with a key, an empty inbox, events of this moment."""

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from math import inf
from typing import Any
from uuid import uuid4

import dramatiq
import pytest
import redis
from django.conf import settings
from django.db import connection
from django.test import Client, TransactionTestCase

from server.accounts.roles import Role
from server.ingest import rate_limit
from server.ingest.inbox import EVENTS, SAMPLES
from server.nodes import authentication
from server.nodes.models import ApiKey, Node
from tests.databases import (
    empty_hypertables,
    empty_models,
    hold_policies,
    read_kept,
)
from tests.factories import log_in
from tests.template import make_template


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """Let Django copy the migrated database instead of migrating one for each process."""
    connection.settings_dict["TEST"]["TEMPLATE"] = make_template()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Hold TimescaleDB's own jobs back from the first test on, and empty tables quickly after tests
    that commit: Django truncates all of them and makes all permissions again."""
    with django_db_blocker.unblock():
        hold_policies()
        kept = read_kept()
    flush = TransactionTestCase._fixture_teardown

    def empty(case: TransactionTestCase) -> None:
        nonlocal kept
        if read_kept() == kept:
            empty_models()
        else:
            flush(case)
            kept = read_kept()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty)
        yield


@pytest.fixture
def empty_redis() -> Iterator[None]:
    """Empty the tests' own Redis databases, and forget what was queued."""
    for url in (settings.INBOX_REDIS_URL, settings.BROKER_REDIS_URL, settings.LIVE_REDIS_URL):
        with redis.Redis.from_url(url) as client:
            client.flushdb()
    dramatiq.get_broker().flush_all()
    authentication._cache.clear()
    rate_limit._windows.clear()
    rate_limit._known_nodes.clear()
    yield
    for inbox in (EVENTS, SAMPLES, EVENTS.apart, SAMPLES.apart):
        inbox._looked_at = -inf  # what a test saw of Redis' memory counts no further
        if "client" in vars(inbox):
            inbox.client.close()
            del inbox.client


@pytest.fixture
def committing_database(transactional_db: None) -> Iterator[None]:
    """A database in which tests commit. `django_db_setup` empties Django's tables, this the others.

    Before the test and after it: the tests of the next file may be those that see what is there.
    Policies that a test made, or a migration in it, are held back likewise.
    """
    hold_policies()
    empty_hypertables()
    yield
    hold_policies()
    empty_hypertables()


@pytest.fixture
def node(db: None) -> Node:
    return Node.objects.create(name="mta-01")


@pytest.fixture
def as_role(client: Client) -> Callable[[Role], Client]:
    """Log the test's client in as `a-ROLE`."""
    return lambda role: log_in(client, role, f"a-{role}")


@pytest.fixture
def agent_key(node: Node) -> str:
    return ApiKey.issue(name="agent of mta-01", scope=ApiKey.Scope.AGENT, node=node)[1]


@pytest.fixture
def event() -> Callable[..., dict[str, Any]]:
    """Make one valid event of this moment; keywords replace its fields."""

    def make(**fields: Any) -> dict[str, Any]:
        return {
            "event_id": str(uuid4()),
            "occurred_at": datetime.now(UTC).isoformat(),
            "event_type": "delivered",
            "direction": "outbound",
            "mta_node": "mta-01",
            "from_address": "alice@corp.example",
            "to_address": "bob@good.example",
        } | fields

    return make


@pytest.fixture
def post(client: Client, agent_key: str, empty_redis: None) -> Callable[..., Any]:
    """Post a body to the ingest endpoint with the agent's key; `pack` gzips it."""

    def send(
        path: str, body: Any, *, key: str = agent_key, pack: bool = False, **headers: str
    ) -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        if pack:
            raw, headers = gzip.compress(raw), headers | {"content-encoding": "gzip"}
        return client.post(
            f"/api/v1/{path}",
            data=raw,
            content_type="application/json",
            headers={"authorization": f"Bearer {key}", **headers},
        )

    return send
