"""The samples of a real agent beside a real ZoneMTA: stored, and answered as they are."""

import json
import urllib.request
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pymongo
import pytest

from build.lab.traffic import wait_until
from build.stack import zonemta
from tests.system.e2e import cluster, traffic
from tests.system.e2e.cluster import NODE, Cluster

pytestmark = pytest.mark.stack
MESSAGES = 60
# The agent reads the queue every 30 s.
READ_WITHIN_S = 90


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster after some messages, of which those to `defer` wait in its queue."""
    with cluster.running(tmp_path_factory.mktemp("samples"), plugin=True) as running:
        traffic.submit(running.mta.smtp_port, list(traffic.messages(MESSAGES)))
        waiting = sum(
            recipient.startswith("defer")
            for message in traffic.messages(MESSAGES)
            for recipient in message.recipients
        )
        with pymongo.MongoClient[dict[str, Any]](running.mongo.uri) as client:
            queue = client[zonemta.DATABASE]["zone-queue"]
            wait_until(lambda: queue.count_documents({}) == waiting, within_s=READ_WITHIN_S)
            assert queue.count_documents({}) == waiting
        settled_at = datetime.now(UTC)
        newer = "SELECT count(*) FROM mail_queue_snapshots WHERE time > %s"
        wait_until(lambda: running.rows(newer, settled_at)[0][0] > 0, within_s=READ_WITHIN_S)
        yield running


def read_api(programs: Cluster, path: str) -> Any:
    key = programs.site.manage("create_api_key", "--scope", "read", "--name", "test").strip()
    request = urllib.request.Request(
        f"{programs.server.url}/api/v1/{path}", headers={"Authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


def test_the_mail_queue_is_reported_as_mongodb_has_it(programs: Cluster) -> None:
    with pymongo.MongoClient[dict[str, Any]](programs.mongo.uri) as client:
        documents = list(client[zonemta.DATABASE]["zone-queue"].find())
    domains = Counter(document["domain"] for document in documents)

    answer = read_api(programs, "email/queue?range=1h")

    assert answer["waiting_count"] == answer["deferred_count"] == len(documents) > 0
    assert answer["stale"] is False
    assert [(node["node"], node["waiting_count"]) for node in answer["nodes"]] == [
        (NODE, len(documents))
    ]
    assert answer["stranded_count"] == 0
    assert answer["ages"]["of_count"] == len(documents)
    destinations = answer["destinations"]["domains"]
    assert {one["domain"]: one["count"] for one in destinations} == domains
    replies = {document["_deferred"]["response"] for document in documents}
    assert {reply["response"] for reply in answer["reasons"]["replies"]} <= replies
    assert all(set(one["replies"]) <= replies for one in destinations)
    assert any(bucket["waiting_count"] for bucket in answer["history"]["buckets"])


def test_the_system_and_the_agent_tell_of_themselves(programs: Cluster) -> None:
    for kind, reading in [("system", "cpu_percent"), ("process", "is_running")]:
        answer = read_api(programs, f"nodes/{NODE}/metrics?kind={kind}&range=1h")
        assert answer["series"][0]["stale"] is False
        assert any(bucket[reading] is not None for bucket in answer["series"][0]["buckets"])


def test_the_server_knows_every_sample_the_agent_sends(programs: Cluster) -> None:
    log = "".join(path.read_text() for path in programs.site.logs.glob("agent*"))

    assert log
    assert "older server" not in log
    assert "refused" not in log
    assert programs.rows("SELECT count(*) FROM ingest_deadletter") == [[0]]
