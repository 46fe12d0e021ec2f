"""An accepted batch is a sign of life of its node, before it is stored; a dead worker is named."""

from datetime import UTC, datetime, timedelta

import pytest
import redis
import time_machine
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone

from server.ingest import writer
from server.ingest.health import HEARTBEAT_KEY, WorkerHeartbeat
from server.ingest.inbox import EVENTS, SAMPLES, Entry
from server.ledger.models import Epoch
from server.nodes import contacts
from server.nodes import store as nodes
from server.nodes.authentication import KeyHolder
from server.nodes.models import ApiKey, Change, Node
from tests.page import Page

pytestmark = pytest.mark.usefixtures("committing_database", "empty_redis")


@pytest.fixture
def system_sample(golden):
    return lambda **fields: (
        golden("metrics_system.json") | {"timestamp": timezone.now().isoformat()} | fields
    )


@pytest.fixture
def last_seen(node):
    """Let the last stored sample of the node be so old."""

    def set_to(**span):
        Node.objects.filter(pk=node.pk).update(last_seen_at=timezone.now() - timedelta(**span))

    return set_to


@pytest.fixture
def page(admin_client):
    return lambda: Page(admin_client.get("/").content.decode())


def stop_worker(**span):
    with redis.Redis.from_url(settings.BROKER_REDIS_URL) as client:
        client.set(HEARTBEAT_KEY, (datetime.now(UTC) - timedelta(**span)).isoformat())


def test_a_dead_worker_is_named_and_its_nodes_are_not_called_silent(
    post, system_sample, last_seen, page, admin_client
):
    last_seen(minutes=4)
    stop_worker(minutes=4)
    post("metrics/system", system_sample())
    EVENTS.append(Entry("mta-01", 0.0, 1, b""))

    html = page()

    assert html.sentence == "2 batches wait to be stored: the worker has not run for 4 min"
    assert html.tile("nodes") == ("1 / 1", "")
    assert html.tile("complete") == ("not known yet", "2 batches wait")
    (node,) = admin_client.get("/overview/facts").json()["nodes"]
    assert (node["level"], node["state"]) == ("ok", "reports")
    (answer,) = admin_client.get("/api/v1/nodes").json()["nodes"]
    assert answer["online"]
    assert 'data-status="online"' in admin_client.get("/nodes/named/mta-01/").content.decode()


def test_what_waited_for_the_worker_before_anyone_was_heard_makes_no_node_silent(
    node, last_seen, page
):
    last_seen(seconds=10)
    EVENTS.append(Entry("mta-01", 0.0, 1, b""))
    SAMPLES.append(Entry("mta-01", 0.0, 1, b""))

    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=5)):
        stop_worker(minutes=5)
        sentence = page().sentence

    assert sentence == "2 batches wait to be stored: the worker has not run for 5 min"


def test_a_node_that_was_silent_before_the_worker_died_is_still_silent(
    post, system_sample, last_seen, page
):
    Node.objects.create(name="mta-02", last_seen_at=timezone.now() - timedelta(minutes=30))
    stop_worker(minutes=4)
    post("metrics/system", system_sample())

    assert page().sentence.endswith("1 of 2 nodes silent: mta-02 for 30 min")


def test_numbers_in_batches_that_wait_are_neither_missing_nor_complete(node, page, admin_client):
    now = timezone.now()
    Node.objects.filter(pk=node.pk).update(last_seen_at=now + timedelta(seconds=20))
    Epoch.objects.create(
        node="mta-01",
        epoch="e",
        first_seq=1,
        received="{[1,101),[413,500)}",
        dropped="{}",
        first_received_at=now,
        last_received_at=now,
    )
    EVENTS.append(Entry("mta-01", 0.0, 1, b""))

    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=20)):
        WorkerHeartbeat().work(None)
        html = page()
        answer = admin_client.get("/api/v1/completeness").json()
        of_node = admin_client.get("/nodes/named/mta-01/").content.decode()

    assert html.sentence == "1 batch waits to be stored, the oldest for 20 s"
    assert html.tile("complete") == ("not known yet", "1 batch waits")
    assert (answer["complete"], answer["waiting_batches"]) == (None, 1)
    assert [epoch["complete"] for epoch in answer["epochs"]] == [None]
    assert "not known yet: 1 batch waits" in of_node
    assert "312" not in of_node


def test_once_all_is_stored_the_page_is_as_ever(post, event, system_sample, page):
    stop_worker(minutes=4)
    post("metrics/system", system_sample())
    post("events/ingest", {"epoch": "e", "first_seq": 1, "events": [event()]})

    writer.drain_samples()
    writer.drain_events()

    assert page().sentence.startswith("1 node reports, mail flows")
    assert page().tile("complete")[0] == "complete"


def test_samples_that_waited_are_no_silence_of_their_node(post, system_sample, last_seen):
    post("metrics/system", system_sample())
    writer.drain_samples()
    start = datetime.now(UTC)
    for seconds in (30, 60, 90):
        with time_machine.travel(start + timedelta(seconds=seconds)):
            post("metrics/system", system_sample())

    writer.drain_samples()

    assert not Change.objects.filter(kind=Change.Kind.SILENT).exists()


def test_a_plugin_that_reports_by_itself_is_no_sign_of_life_of_the_agent(
    post, event, node, last_seen
):
    last_seen(minutes=10)
    _, key = ApiKey.issue(name="plugin", scope=ApiKey.Scope.WEBHOOK, node=node)

    post("events/ingest", [event()], key=key)

    assert Node.objects.get(name="mta-01").received_at is None


def test_a_node_is_noted_seldom_and_while_the_database_is_away_not_at_all(monkeypatch):
    calls = []
    monkeypatch.setattr(contacts, "_due", {})
    monkeypatch.setattr(contacts, "_paused_until", 0.0)
    monkeypatch.setattr(nodes, "mark_received", lambda name, at: calls.append(name))
    for _ in range(3):
        contacts.note(KeyHolder(1, ApiKey.Scope.AGENT, "mta-01", ""))
    assert calls == ["mta-01"]

    def refuse(name, at):
        calls.append("refused")
        raise OperationalError("away")

    monkeypatch.setattr(nodes, "mark_received", refuse)
    for key_id in (2, 3):
        contacts.note(KeyHolder(key_id, ApiKey.Scope.AGENT, "mta-02", ""))

    assert calls[1:] == ["refused"]
