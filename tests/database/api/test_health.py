"""Readiness: problems are described in words, to those who may read."""

from datetime import UTC, datetime, timedelta
from time import time

import pytest
import redis
import time_machine
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client

from server.api.endpoints.health import build_ready
from server.ingest.health import HEARTBEAT_KEY, WorkerHeartbeat, read_backlog
from server.ingest.inbox import EVENTS, Entry
from server.nodes.models import ApiKey
from server.observability import beats
from server.observability import health as probes
from server.observability.beats import Task
from server.observability.health import ProbeResult

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def worker_seen():
    WorkerHeartbeat().work(None)


@pytest.fixture
def ready(admin_client: Client):
    def get_json():
        reply = admin_client.get("/api/v1/health/ready")
        body = reply.json()
        return reply.status_code, body["status"], {one["name"]: one for one in body["checks"]}

    return get_json


def test_when_nothing_is_wrong_it_is_ready(ready, worker_seen):
    code, status, checks = ready()

    assert (code, status) == (200, "ready")
    assert set(checks) == {"database", "migrations", "redis", "inbox", "worker"}
    assert "TimescaleDB" in checks["database"]["text"]


def test_strangers_and_keys_that_do_not_read_learn_the_status_alone(client: Client, worker_seen):
    assert client.get("/api/v1/health/ready").json() == {"status": "ready"}
    for scope, is_shown in (("agent", False), ("read", True)):
        key = ApiKey.issue(name="x", scope=scope)[1]
        headers = {"authorization": f"Bearer {key}"}
        assert ("checks" in client.get("/api/v1/health/ready", headers=headers).json()) is is_shown


def test_a_worker_that_was_never_seen_or_not_for_long_is_named(ready, worker_seen):
    with redis.Redis.from_url(django_settings.BROKER_REDIS_URL) as client:
        client.delete(HEARTBEAT_KEY)
        code, status, checks = ready()
        assert (code, status) == (200, "degraded")
        assert checks["worker"]["text"].startswith("No worker has reported yet")

        client.set(HEARTBEAT_KEY, (datetime.now(UTC) - timedelta(seconds=90)).isoformat())
        assert "has reported for 9" in ready()[2]["worker"]["text"]


def test_batches_that_nobody_stores_are_named_with_their_age(ready, worker_seen):
    EVENTS.append(Entry("mta-01", 0.0, 1, b""))
    assert ready()[1] == "ready"

    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=100)):
        WorkerHeartbeat().work(None)
        _, status, checks = ready()

    assert status == "degraded"
    assert checks["inbox"]["text"].startswith("1 batches of events wait, the oldest for 10")
    assert checks["inbox"]["figures"]["events"]["batches"] == 1


def test_a_full_inbox_is_named(ready, worker_seen, settings):
    settings.INBOX_MAX_ENTRIES = 1
    EVENTS.append(Entry("mta-01", 0.0, 1, b""))

    assert "is full: the server answers 503" in ready()[2]["inbox"]["text"]


def test_without_redis_nothing_is_accepted_so_it_is_not_ready(ready, settings):
    settings.INBOX_REDIS_URL = NOWHERE
    settings.BROKER_REDIS_URL = NOWHERE

    code, status, checks = ready()

    assert (code, status) == (503, "not ready")
    assert "inbox (INBOX_REDIS_URL)" in checks["redis"]["text"]
    assert "as Redis does not answer" in checks["inbox"]["text"]
    assert "as Redis does not answer" in checks["worker"]["text"]


def test_a_migration_that_is_not_applied_is_named(ready, worker_seen):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'ledger'")

    code, _, checks = ready()

    assert code == 503
    assert "not applied, first ledger" in checks["migrations"]["text"]


@pytest.mark.django_db(transaction=True)
def test_a_database_that_does_not_answer_makes_it_503_and_anybody_learns_which_part_fails(
    client: Client, admin_client: Client, worker_seen, monkeypatch
):
    from django.db import OperationalError

    def refuse(*_):
        raise OperationalError("connection refused")

    connection.close()
    monkeypatch.setattr(connection, "connect", refuse)

    reply = client.get("/api/v1/health/ready")
    findings = {finding.name: finding for finding in probes.run_probes()}

    assert (reply.status_code, reply.json()) == (
        503,
        {"status": "not ready", "failed": ["database", "migrations"]},
    )
    assert admin_client.get("/api/v1/health/ready").json() == reply.json()
    assert "connection refused" in findings["database"].text
    assert "cannot be reached" in findings["migrations"].text


def test_each_background_task_is_known_by_its_last_beat_and_a_failing_one_is_named(
    ready, worker_seen, client: Client
):
    sweeper, other = Task("inbox-sweeper", 0.25), Task("housekeeping", 60.0)
    for task in (sweeper, other):
        task.done()
        beats.write(task)
    code, status, checks = ready()
    assert (code, status, checks["tasks"]["ok"]) == (200, "ready", True)
    assert set(checks["tasks"]["figures"]["last_beats"]) == {"inbox-sweeper", "housekeeping"}

    sweeper.failed(ValueError("year 9999"))
    beats.write(sweeper)

    _, status, checks = ready()
    assert status == "degraded"
    assert checks["tasks"]["text"] == "inbox-sweeper fails: ValueError: year 9999."
    assert checks["tasks"]["figures"]["failing"] == ["inbox-sweeper"]
    assert client.get("/api/v1/health/ready").json() == {"status": "degraded", "failed": ["tasks"]}


def test_a_task_that_has_stopped_is_named(ready, worker_seen):
    task = Task("live-broadcast", 1.0)
    task.done()
    beats.write(task)

    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=200)):
        _, _, checks = ready()

    assert checks["tasks"]["text"].startswith("live-broadcast did nothing for 20")


def test_what_a_process_long_gone_wrote_is_forgotten_once_another_has_its_task():
    old = Task("inbox-sweeper", 0.25)
    with time_machine.travel(datetime.now(UTC) - timedelta(hours=2)):
        old.done()
        beats.write(old)

    beats.forget_old(Task("housekeeping", 60.0))
    kept = beats.read()
    beats.forget_old(Task("inbox-sweeper", 0.25))

    assert [beat.task for beat in kept] == ["inbox-sweeper"]
    assert beats.read() == []


def test_a_probe_that_fails_is_what_is_wrong(monkeypatch):
    def some_probe():
        raise KeyError("surprise")

    monkeypatch.setattr(probes, "_probes", {"x": some_probe})

    (finding,) = probes.run_probes()

    assert (finding.ok, finding.name) == (False, "some probe")
    assert "surprise" in finding.text


def test_what_nobody_needs_to_be_served_makes_it_degraded_only():
    fine, wrong = (ProbeResult("a", ok=ok, text="") for ok in (True, False))
    beside = ProbeResult("b", ok=False, text="", needed=False)

    assert build_ready([fine], may_read=False)["status"] == "ready"
    assert build_ready([fine, beside], may_read=False)["status"] == "degraded"
    assert build_ready([beside, wrong], may_read=False)["status"] == "not ready"


def test_what_waits_apart_is_in_the_backlog_since_it_was_received():
    at = time() - 120
    EVENTS.apart.append(Entry("mta-01", at, 1, b"x"))

    backlog = read_backlog()

    assert (backlog.batches, backlog.apart) == (1, 1)
    assert backlog.oldest_at.timestamp() == pytest.approx(at, abs=30)
