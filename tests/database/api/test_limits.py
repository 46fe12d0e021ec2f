"""Bounds of the read API: its rate, what stays in memory, and what caches may keep."""

import base64

import pytest
from django.core.cache import cache

from server.api import caching
from server.nodes.models import ApiKey, Node

pytestmark = pytest.mark.django_db
WITH_ADDRESSES = [
    "email/events",
    "email/events.csv",
    "email/events.json",
    "email/bounce-analysis",
    "email/queue",
    "nodes",
    "nodes/mta-01",
    "completeness",
]
RANGED = ["email/events", "email/throughput", "email/stats", "changes", "nodes/mta-01/metrics"]
NEVER = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00",
         "9999-12-31T23:59:59-14:00", "1969-12-31T23:59:59Z"]  # fmt: skip


def test_each_reader_has_a_rate_of_its_own(client, admin_client, settings, empty_redis):
    settings.READ_RATE = "2/hour"
    key = ApiKey.issue(name="x", scope="read")[1]
    headers = {"authorization": f"Bearer {key}"}

    answers = [client.get("/api/v1/nodes", headers=headers) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2]["Retry-After"]) > 0
    assert admin_client.get("/api/v1/nodes").status_code == 200


@pytest.mark.parametrize("path", WITH_ADDRESSES)
def test_no_cache_keeps_an_answer_with_addresses(path, admin_client):
    Node.objects.create(name="mta-01")

    assert admin_client.get(f"/api/v1/{path}")["Cache-Control"] == "no-store"


def test_a_large_answer_is_not_kept_in_memory(admin_client, settings, monkeypatch):
    settings.READ_CACHE_SECONDS = 60
    cache.clear()
    for limit, is_kept in ((10, False), (1_000_000, True)):
        monkeypatch.setattr(caching, "MAX_CACHED_BYTES", limit)
        admin_client.get("/api/v1/email/sizes")
        assert bool(cache._cache) is is_kept
    cache.clear()


@pytest.mark.parametrize("at", NEVER)
@pytest.mark.parametrize("path", RANGED)
def test_a_range_that_cannot_be_meant_is_400(admin_client, path, at):
    Node.objects.create(name="mta-01")
    for query in ({"from": at}, {"from": "2026-11-21T00:00:00Z", "to": at}):
        answer = admin_client.get(f"/api/v1/{path}", query | {"kind": "system"})
        assert answer.status_code == 400, answer.content


@pytest.mark.parametrize("at", NEVER)
def test_a_cursor_that_no_page_made_is_400(admin_client, at):
    text = f"{at}|a6e612ff-3ae6-55ff-b3b7-aaf16d8eae41"
    cursor = base64.urlsafe_b64encode(text.encode()).decode()

    assert admin_client.get("/api/v1/email/events", {"cursor": cursor}).status_code == 400
    page = admin_client.get("/events/", {"cursor": text.replace("|", "~"), "from": at, "to": at})
    assert page.status_code == 200
