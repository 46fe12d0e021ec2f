from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client

from server import __version__
from server.events.mapping import to_line
from server.storage.transaction import write_events
from tests.factories import row

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 10, 7, 10, tzinfo=UTC)


@pytest.fixture
def answer(admin_client: Client):
    def get_json(**query):
        return admin_client.get("/api/v1/email/throughput", query)

    with time_machine.travel(NOW, tick=False):
        yield get_json


def test_empty_buckets_are_there_and_only_the_running_one_is_partial(answer):
    write_events([to_line(row(occurred_at=NOW - timedelta(hours=2)))])

    body = answer(range="24h", width="15m").json()

    assert body["width_s"] == 900
    assert len(body["buckets"]) == 97  # 24 h of quarters, the first and the last of them cut
    assert sum(b["events"].get("delivered", 0) for b in body["buckets"]) == 1
    assert [b["partial"] for b in body["buckets"]] == [False] * 96 + [True]
    counted = next(b for b in body["buckets"] if b["events"])
    assert counted["start"] == "2026-11-21T08:00:00Z"


def test_the_other_direction_is_not_counted(answer):
    write_events([to_line(row(direction="inbound", occurred_at=NOW))])

    assert not any(b["events"] for b in answer(direction="outbound").json()["buckets"])
    assert any(b["events"] for b in answer(direction="inbound").json()["buckets"])


def test_a_range_that_is_not_offered_is_400(answer):
    reply = answer(range="5y")

    assert reply.status_code == 400
    assert "range" in reply.json()


def test_nobody_reads_without_login(client: Client):
    assert client.get("/api/v1/email/throughput").status_code == 401


def test_liveness_needs_no_login(client: Client):
    assert client.get("/api/v1/health").json() == {
        "status": "alive",
        "version": __version__,
        "build": "development",
    }
