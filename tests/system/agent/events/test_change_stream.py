"""The change stream on a real MongoDB whose collections are written as ZoneMTA writes them."""

import logging
import secrets
import socket
import threading

import pytest
from pymongo.errors import OperationFailure

from agent import clock, wire
from agent.config import Secret
from agent.events.change_stream import ChangeStream
from agent.events.change_stream import database as queries
from agent.spool import Accepted
from tests.agent_fixtures import read_events, take_reported
from tests.fakes.zonemta_writer import accept
from tests.programs import enable_pre_images
from tests.system.agent.events.helpers import (
    NODE,
    connect,
    counters,
    has_position,
    wait_for_events,
)
from tests.waiting import until

pytestmark = pytest.mark.stack


@pytest.fixture(params=["plain", "pre-images"])
def database(mongodb, request):
    """A fresh database, once without and once with pre-images."""
    name = f"zone-mta-{secrets.token_hex(4)}"
    with connect(mongodb.uri) as client:
        for collection in ("zone-queue", "mail.files"):
            client[name].create_collection(collection)
        if request.param == "pre-images":
            enable_pre_images(mongodb, name, ("zone-queue", "mail.files"))
        yield client[name]
        client.drop_database(name)


@pytest.fixture
def follow(mongodb, database, in_thread):
    """Follow the database into a spool, until the event returned is set."""

    def start(spool):
        stream = ChangeStream(spool, Secret(mongodb.uri_of(database.name)), node=NODE)
        stop = in_thread(stream)
        until(lambda: has_position(spool), what="a saved position")
        return stop

    return start


def held_count(spool):
    with spool.read() as tx:
        return tx.execute("SELECT count(*) FROM held").fetchone()[0]


def report_from_plugin(spool, message, recipient, event_type, n=0):
    event = wire.ReceivedEvent(
        event_id=wire.event_id("zonemta", message.queue_id, recipient, event_type, n),
        occurred_at=clock.utc_now(),
        event_type=event_type,
        direction="outbound",
        queue_id=message.queue_id,
        queue_seq=message.seqs[recipient],
        to_address=recipient,
    )
    body = b'{"to_address":"%s","event_type":"%s","attempt":0,"source":"zonemta_plugin"}'
    take_reported(spool, [Accepted(event, body % (recipient.encode(), event_type.encode()))])


def test_queued_deferred_delivered_bounced_and_dropped_are_distinguished(
    make_spool, database, follow
):
    spool = make_spool(grace_s=1)
    follow(spool)

    message = accept(
        database, "alice@corp.example", ["ok@a.example", "no@b.example", "x@c.example"]
    )
    message.lock("ok@a.example")
    message.defer("ok@a.example", 1, "451 4.3.0 later")
    message.deliver("ok@a.example")
    message.bounce("no@b.example")
    message.leave("x@c.example")
    events = wait_for_events(spool, count=8)

    assert events["ok@a.example", "deferred"]["status_code"] == 451
    assert events["ok@a.example", "deferred"]["certainty"] == "reported"
    assert events["ok@a.example", "delivered"]["certainty"] == "inferred"
    assert events["ok@a.example", "delivered"]["attempt"] == 2
    assert events["no@b.example", "bounced"]["certainty"] == "inferred"
    assert "status_message" not in events["no@b.example", "bounced"]
    assert events["x@c.example", "dropped"]["certainty"] == "inferred"
    assert events["ok@a.example", "sent"]["from_address"] == "alice@corp.example"
    assert events["ok@a.example", "sent"]["message_id"] == message.meta["messageId"]
    assert events["alice@corp.example", "sent"]["from_address"] == "<>"


def test_mail_queued_before_the_first_start_is_taken_once(make_spool, database, follow):
    message = accept(database, "a@corp.example", ["one@a.example", "two@a.example"])
    message.lock("two@a.example")
    message.defer("two@a.example", 1, "450 first reply")
    message.defer("two@a.example", 2, "450 second reply")
    spool = make_spool(grace_s=0.2)

    follow(spool)
    before = wait_for_events(spool, count=3)
    message.deliver("one@a.example")
    events = wait_for_events(spool, count=4)

    assert before["two@a.example", "deferred"]["attempt"] == 2
    assert before["two@a.example", "deferred"]["status_message"] == "450 second reply"
    assert events["one@a.example", "delivered"]["from_address"] == "a@corp.example"


def test_events_the_plugin_reported_in_the_grace_are_not_repeated(make_spool, database, follow):
    spool = make_spool(grace_s=1.5)
    follow(spool)

    message = accept(database, "a@corp.example", ["reported@a.example", "missed@a.example"])
    message.deliver("reported@a.example")
    message.deliver("missed@a.example")
    report_from_plugin(spool, message, "reported@a.example", "sent")
    report_from_plugin(spool, message, "reported@a.example", "bounced")
    until(lambda: counters(spool).get("stream.superseded", 0) >= 2)
    events = wait_for_events(spool, count=4)

    assert set(events) == {
        ("reported@a.example", "sent"),
        ("reported@a.example", "bounced"),
        ("missed@a.example", "sent"),
        ("missed@a.example", "delivered"),
    }
    assert events["reported@a.example", "sent"]["source"] == "zonemta_plugin"
    assert events["missed@a.example", "sent"]["source"] == "change_stream"


def test_events_the_plugin_reported_before_the_stream_saw_them_are_not_repeated(
    make_spool, database, follow
):
    spool = make_spool(grace_s=0)
    follow(spool)
    message = accept(database, "a@corp.example", ["reported@a.example"])
    wait_for_events(spool, count=1)

    report_from_plugin(spool, message, "reported@a.example", "delivered")
    message.deliver("reported@a.example")
    until(lambda: counters(spool).get("stream.superseded"))

    assert len(read_events(spool)) == 2


def test_held_events_outlive_the_agent_and_nothing_is_missed_or_doubled(
    make_spool, database, follow
):
    spool = make_spool(grace_s=300)
    stop = follow(spool)
    first = accept(database, "a@corp.example", ["one@a.example"])
    first.deliver("one@a.example")
    until(lambda: held_count(spool) == 2)
    stop.set()

    # While no agent runs, mail goes on.
    second = accept(database, "a@corp.example", ["two@a.example"])
    second.bounce("two@a.example")
    assert read_events(spool) == []
    spool.close()
    spool = make_spool(grace_s=0.5)
    follow(spool)
    events = wait_for_events(spool, count=5)

    assert ("one@a.example", "delivered") in events
    assert ("two@a.example", "bounced") in events
    assert events["one@a.example", "sent"]["from_address"] == "a@corp.example"


def test_a_position_that_is_lost_is_a_counted_gap_and_a_new_snapshot(
    make_spool, database, follow, caplog
):
    spool = make_spool(grace_s=0)
    stop = follow(spool)
    message = accept(database, "a@corp.example", ["gone@a.example", "stays@a.example"])
    wait_for_events(spool, count=2)
    stop.set()
    until(lambda: not _thread("change-stream"))
    message.deliver("gone@a.example")
    with spool.begin() as tx:
        # MongoDB refuses this token, as it does one that fell out of the oplog.
        spool.stream(tx).save_position(pymongo_token("82" + "00" * 40))

    with caplog.at_level(logging.WARNING):
        follow(spool)
        until(lambda: counters(spool).get("stream.lost_in_gap") == 1)
    message.deliver("stays@a.example")
    events = wait_for_events(spool, count=3)

    assert ("gone@a.example", "delivered") not in events
    assert ("stays@a.example", "delivered") in events
    assert counters(spool)["stream.gaps"] >= 1
    assert "oplog" in caplog.text


def pymongo_token(data):
    import bson

    return bson.encode({"_data": data})


def _thread(name):
    return [t for t in threading.enumerate() if t.name == name]


def test_a_dropped_database_is_survived(make_spool, database, follow):
    spool = make_spool(grace_s=0)
    follow(spool)
    accept(database, "a@corp.example", ["lost@a.example"])
    wait_for_events(spool, count=1)

    database.client.drop_database(database.name)
    until(lambda: counters(spool).get("stream.gaps"))
    until(lambda: has_position(spool))
    accept(database, "a@corp.example", ["next@a.example"])

    assert ("next@a.example", "sent") in wait_for_events(spool, count=2)


def test_a_document_that_is_not_as_zonemta_writes_it_is_left_out_alone(
    make_spool, database, follow
):
    spool = make_spool(grace_s=0)
    follow(spool)

    database["zone-queue"].insert_one({"id": 5, "seq": None})
    accept(database, "a@corp.example", ["good@a.example"])
    wait_for_events(spool, count=1)

    assert counters(spool)["stream.malformed"] == 1


@pytest.mark.parametrize("code", [286, 280, 260, 222])
def test_mongodbs_error_codes_of_a_lost_position_are_known(code):
    assert queries.is_position_lost(OperationFailure("ChangeStreamHistoryLost", code))


@pytest.mark.parametrize(
    ("code", "fix"), [(40573, "--replSet"), (13, "grantRolesToUser"), (18, "authSource=admin")]
)
def test_an_error_that_a_person_must_mend_has_its_fix(code, fix):
    _, line = queries.explain(OperationFailure("from MongoDB", code), where="here")

    assert fix in line
    assert "\n" not in line


def test_a_mongodb_that_is_no_replica_set_is_logged_with_the_fix(
    make_spool, in_thread, tmp_path, caplog
):
    from build.stack.mongodb import server_program
    from build.stack.ports import free_port
    from build.stack.supervisor import Program, Supervisor

    port = free_port()
    (tmp_path / "data").mkdir()
    argv = [server_program(), "--dbpath", tmp_path / "data", "--port", str(port)]
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(
            Program(name="standalone", argv=[*argv, "--bind_ip", "127.0.0.1", "--nounixsocket"])
        )
        uri = Secret(f"mongodb://127.0.0.1:{port}/zone-mta")
        in_thread(ChangeStream(make_spool(), uri, node=NODE))
        until(lambda: "is not a replica set" in caplog.text, within_s=30)

    assert "rs.initiate()" in caplog.text


def test_an_unreachable_mongodb_is_one_line_with_the_fix(
    make_spool, in_thread, caplog, monkeypatch
):
    monkeypatch.setattr("agent.events.change_stream.database.SELECT_TIMEOUT_MS", 200)
    monkeypatch.setattr("agent.events.change_stream.follower.FIRST_WAIT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    uri = Secret(f"mongodb://agent:secret-password@127.0.0.1:{port}/zone-mta?replicaSet=rs0")

    with caplog.at_level(logging.WARNING):
        in_thread(ChangeStream(make_spool(), uri, node=NODE))
        until(lambda: caplog.records)

    assert "is not reachable" in caplog.text
    assert "AGENT_ZONEMTA_MONGODB_URI" in caplog.text
    assert "secret-password" not in caplog.text
    assert "Traceback" not in caplog.text


def test_a_mongodb_comes_back_and_the_stream_goes_on(
    make_spool, in_thread, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr("agent.events.change_stream.database.SELECT_TIMEOUT_MS", 1000)
    from build.stack import mongodb as stack
    from build.stack.supervisor import Supervisor

    spool = make_spool(grace_s=0)
    with Supervisor(tmp_path) as supervisor:
        first = stack.start(supervisor, tmp_path)
        uri = first.uri_of("zone-mta")
        in_thread(ChangeStream(spool, Secret(uri), node=NODE))
        until(lambda: has_position(spool))
        with connect(uri) as client:
            accept(client["zone-mta"], "a@corp.example", ["before@a.example"])
            wait_for_events(spool, count=1)
        first.running.stop()
        until(lambda: "not reachable" in caplog.text, within_s=40)
        stack.start(supervisor, tmp_path, port=first.port)
        with connect(uri) as client:
            accept(client["zone-mta"], "a@corp.example", ["after@a.example"])

        until(lambda: len(read_events(spool)) == 2, within_s=60)
        assert ("after@a.example", "sent") in wait_for_events(spool, count=2)


@pytest.mark.parametrize("event_type", ["bounced", "delivered"])
def test_a_plugin_that_reports_after_the_grace_replaces_the_inferred_outcome(
    make_spool, database, follow, event_type
):
    spool = make_spool()
    follow(spool)
    message = accept(database, "a@corp.example", ["ok@a.example"])
    message.lock("ok@a.example")
    message.deliver("ok@a.example")
    inferred = wait_for_events(spool, count=2)["ok@a.example", "delivered"]

    report_from_plugin(spool, message, "ok@a.example", event_type)
    report_from_plugin(spool, message, "ok@a.example", event_type)

    *_, correction = read_events(spool)
    assert len(read_events(spool)) == 3
    assert correction["event_type"] == event_type
    assert correction["replaces"] == inferred["event_id"]
    assert counters(spool)["receiver.corrected"] == 1


def test_a_plugin_that_reports_in_time_replaces_nothing(make_spool, database, follow):
    spool = make_spool(grace_s=600)
    follow(spool)
    message = accept(database, "a@corp.example", ["ok@a.example"])
    message.lock("ok@a.example")
    message.deliver("ok@a.example")
    until(lambda: held_count(spool) == 2, what="two held")

    report_from_plugin(spool, message, "ok@a.example", "bounced")

    (event,) = read_events(spool)
    assert "replaces" not in event


def test_mongodbs_clock_is_compared_with_this_nodes(mongodb, monkeypatch):
    with connect(mongodb.uri) as client:
        assert queries.measure_clock(client) == 0
        now_ms = clock.now_ms
        monkeypatch.setattr(clock, "now_ms", lambda: now_ms() - 3_600_000)

        assert abs(queries.measure_clock(client) - 3_600_000) < 60_000
