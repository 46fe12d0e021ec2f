"""Deliveries that only their sequence tells apart, through a real ZoneMTA and both sources."""

import contextlib
import http.client
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pymongo
import pytest
from gridfs import GridFSBucket

from build.stack import agent, zonemta
from build.stack.ports import LOOPBACK
from tests.system.e2e import cluster
from tests.system.e2e.cluster import Cluster
from tests.waiting import until

pytestmark = pytest.mark.stack
SENDER = "alice@corp.example"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster.running(tmp_path_factory.mktemp("identity"), plugin=True) as running:
        yield running


def queue_as_wildduck(programs: Cluster, queue_id: str, recipients: Sequence[str]) -> None:
    """Put a message into ZoneMTA's database past ZoneMTA, as WildDuck does: no hook sees it."""
    headers = {"from": SENDER, "message-id": f"<{queue_id}@corp.example>"}
    data = {
        "id": queue_id,
        "from": SENDER,
        "to": list(recipients),
        "interface": "forwarder",
        "messageId": headers["message-id"],
        "headers": [{"key": key, "line": f"{key}: {value}"} for key, value in headers.items()],
        "time": 1795255630061,
        "dkim": {"hashAlgo": "sha256"},
        "bodySize": 4,
    }
    now = datetime.now(UTC)
    documents = [
        {"id": queue_id, "seq": f"{number:03x}", "domain": recipient.partition("@")[2]}
        | {"recipient": recipient, "sendingZone": "default", "assigned": "no"}
        | {"locked": False, "lockTime": 0, "queued": now, "created": now}
        for number, recipient in enumerate(recipients, start=1)
    ]
    with pymongo.MongoClient[Any](programs.mongo.uri) as client:
        db = client[zonemta.DATABASE]
        bucket = GridFSBucket(db, bucket_name="mail")
        bucket.upload_from_stream(f"message {queue_id}", b"hi\r\n", metadata={"data": data})
        db["zone-queue"].insert_many(documents)


def ask_mta(programs: Cluster, method: str, path: str, body: Any = None) -> Any:
    connection = http.client.HTTPConnection(LOOPBACK, programs.mta.api_port, timeout=10)
    with contextlib.closing(connection):
        headers = {"Content-Type": "application/json"}
        connection.request(method, path, json.dumps(body) if body else None, headers)
        return json.loads(connection.getresponse().read())


def read_events(programs: Cluster, queue_id: str) -> Counter[tuple[str, str, str]]:
    rows = programs.rows(
        "SELECT event_type, queue_seq, coalesce(to_address, '') FROM email_events"
        " WHERE queue_id = %s",
        queue_id,
    )
    return Counter(tuple(row) for row in rows)


def count_of(programs: Cluster, queue_id: str, event_type: str) -> int:
    return sum(n for key, n in read_events(programs, queue_id).items() if key[0] == event_type)


def test_two_recipients_whose_addresses_differ_in_case_are_two_deliveries(programs: Cluster):
    recipients = ["ok-Case@good.example", "ok-case@good.example"]
    message = {"from": SENDER, "text": "hi", "envelope": {"from": SENDER, "to": recipients}}
    queue_id = ask_mta(programs, "POST", "/send", message)["id"]

    until(lambda: len(read_events(programs, queue_id)) >= 4, what="four events", within_s=60)

    assert read_events(programs, queue_id) == Counter(
        (event_type, f"{number:03x}", recipient)
        for number, recipient in enumerate(recipients, start=1)
        for event_type in ("sent", "delivered")
    )


def test_wildducks_two_relays_of_one_address_are_two_deliveries(programs: Cluster):
    recipient = "ok-relay@good.example"
    queue_as_wildduck(programs, "1a1fd92f960000aaaa", [recipient, recipient])

    until(lambda: len(read_events(programs, "1a1fd92f960000aaaa")) >= 4, within_s=60)

    assert read_events(programs, "1a1fd92f960000aaaa") == Counter(
        (event_type, seq, recipient)
        for seq in ("001", "002")
        for event_type in ("sent", "delivered")
    )


def test_what_a_zonemta_deletes_that_did_not_route_it_is_dropped_once_and_named(
    programs: Cluster,
):
    recipients = ["defer-one@good.example", "defer-two@good.example"]
    queue_id = "1a1fd92f960000bbbb"
    queue_as_wildduck(programs, queue_id, recipients)
    deferred = {("deferred", seq) for seq in ("001", "002")}
    until(lambda: deferred <= {key[:2] for key in read_events(programs, queue_id)}, within_s=60)

    ask_mta(programs, "DELETE", f"/message/{queue_id}/001")
    ask_mta(programs, "DELETE", f"/message/{queue_id}/002")
    until(lambda: len(read_events(programs, queue_id)) >= 6, what="two deletions", within_s=60)

    dropped = {key: n for key, n in read_events(programs, queue_id).items() if key[0] == "dropped"}
    assert dropped == {
        ("dropped", f"{number:03x}", recipient): 1
        for number, recipient in enumerate(recipients, start=1)
    }


def test_what_is_deleted_after_zonemta_started_again_is_dropped_once_and_named(programs: Cluster):
    recipients = ["defer-three@good.example", "defer-four@good.example"]
    message = {"from": SENDER, "text": "hi", "envelope": {"from": SENDER, "to": recipients}}
    queue_id = ask_mta(programs, "POST", "/send", message)["id"]
    until(lambda: len(read_events(programs, queue_id)) >= 4, what="deferred", within_s=60)

    programs.mta.running.start_again()
    ask_mta(programs, "DELETE", f"/message/{queue_id}/001")
    ask_mta(programs, "DELETE", f"/message/{queue_id}/002")
    until(lambda: count_of(programs, queue_id, "dropped") >= 2, what="deletions", within_s=60)

    assert {
        key: n for key, n in read_events(programs, queue_id).items() if key[0] == "dropped"
    } == {
        ("dropped", f"{number:03x}", recipient): 1
        for number, recipient in enumerate(recipients, start=1)
    }


def test_a_bounce_with_a_null_sender_has_one_row_where_two_agents_see_one_queue(
    programs: Cluster, tmp_path: Path
):
    # The second has no instance set and no plugin: it infers that mail whose bounce nobody is
    # notified of was delivered.
    key = programs.site.manage("create_api_key", "--node", "mta-02", "--name", "two").strip()
    second = agent.start(
        programs.supervisor,
        tmp_path,
        server_url=programs.server.url,
        api_key=key,
        node="mta-02",
        mongo_uri=programs.mongo.uri_of(zonemta.DATABASE),
    )
    recipients = [f"bounce-null-{n}@good.example" for n in range(6)]
    message = {"from": SENDER, "text": "hi", "envelope": {"from": "", "to": recipients}}
    queue_id = ask_mta(programs, "POST", "/send", message)["id"]
    received = (
        "SELECT coalesce(sum(upper(received) - 1), 0) FROM ledger_epoch WHERE node = 'mta-02'"
    )

    until(lambda: programs.rows(received)[0][0] >= 12, what="the second agent's", within_s=90)
    until(lambda: count_of(programs, queue_id, "bounced") == 6, what="bounces", within_s=60)
    second.running.stop()

    assert read_events(programs, queue_id) == Counter(
        (event_type, f"{number:03x}", recipient)
        for number, recipient in enumerate(recipients, start=1)
        for event_type in ("sent", "bounced")
    )


def test_bounces_of_odd_recipients_are_bounced_for_the_stream_alone(
    tmp_path_factory: pytest.TempPathFactory,
):
    recipients = [
        "bounce-jürgen.müller@good.example",
        '"bounce-two words"@good.example',
        '"bounce-a.\\"b\\""@good.example',
        "bounce-o'hara+tag@good.example",
    ]
    with cluster.running(tmp_path_factory.mktemp("odd"), plugin=False) as programs:
        message = {"from": SENDER, "text": "hi", "envelope": {"from": SENDER, "to": recipients}}
        queue_id = ask_mta(programs, "POST", "/send", message)["id"]
        until(
            lambda: len(read_events(programs, queue_id)) >= 2 * len(recipients),
            what="an outcome each",
            within_s=90,
        )

        outcomes = Counter(key[0] for key in read_events(programs, queue_id).elements())
        assert outcomes == {"sent": len(recipients), "bounced": len(recipients)}
