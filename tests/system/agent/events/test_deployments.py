"""Change streams on real servers of MongoDB: elections, a short oplog, no rights."""

import json
import logging
import re
import secrets
import threading

import pymongo
import pytest

from agent.config import Secret
from agent.events.change_stream import ChangeStream
from agent.spool import read_gaps, read_summary
from build.stack import mongodb as stack
from build.stack.supervisor import Supervisor
from tests.agent_fixtures import read_events
from tests.fakes.zonemta_writer import accept
from tests.paths import ROOT
from tests.system.agent.events import deployments
from tests.system.agent.events.helpers import (
    NODE,
    connect,
    counters,
    has_position,
    wait_for_events,
)
from tests.waiting import until

pytestmark = pytest.mark.stack
DATABASE = "zone-mta"
COLLECTIONS = ("zone-queue", "mail.files")


@pytest.fixture
def supervisor(tmp_path):
    with Supervisor(tmp_path / "stack") as running:
        yield running


@pytest.fixture
def home(tmp_path):
    return tmp_path / "stack"


def gaps(spool):
    with spool.read() as tx:
        return read_gaps(tx)


def test_an_election_loses_nothing_and_repeats_nothing(make_spool, supervisor, home, in_thread):
    replica_set = deployments.start_set(supervisor, home)
    spool = make_spool(grace_s=0)
    stream = ChangeStream(spool, Secret(replica_set.uri_of(DATABASE)), node=NODE)
    with connect(replica_set.uri_of(DATABASE)) as client:
        db = client[DATABASE]
        for name in COLLECTIONS:
            db.create_collection(name)
        in_thread(stream)
        until(lambda: has_position(spool))
        recipients = []
        for turn in range(3):
            recipient = f"{turn}@a.example"
            # What a minority has is rolled back with its primary: real mail waits for the majority.
            majority = db.with_options(write_concern=pymongo.WriteConcern("majority"))
            message = accept(majority, "a@corp.example", [recipient])
            message.deliver(recipient)
            recipients.append(recipient)
            primary = replica_set.primary()
            primary.kill()
            until(lambda: find_primary(replica_set), within_s=60)
            primary.start_again()

        events = wait_for_events(spool, count=6)

    assert {recipient for recipient, _ in events} == set(recipients)
    assert gaps(spool) == []
    assert stream.health().failures_total == 0 or stream.health().last_error is None


def find_primary(replica_set):
    try:
        return replica_set.primary()
    except StopIteration:
        return None


def test_a_position_that_fell_out_of_the_oplog_is_a_gap_with_its_times(
    make_spool, supervisor, in_thread, caplog, tmp_path
):
    # Nothing younger than the last checkpoint is cut from the oplog.
    running = stack.start(
        supervisor, tmp_path / "stack", options=["--oplogSize", "1", "--syncdelay", "1"]
    )
    spool = make_spool(grace_s=0)
    with connect(running.uri) as client:
        db = client[DATABASE]
        for name in COLLECTIONS:
            db.create_collection(name)
        stop = follow(spool, running, in_thread)
        message = accept(db, "a@corp.example", ["gone@a.example", "stays@a.example"])
        wait_for_events(spool, count=2)
        stop.set()
        until(lambda: not any(t.name == "change-stream" for t in threading.enumerate()))
        message.deliver("gone@a.example")

        fill_oplog(client)
        with caplog.at_level(logging.WARNING):
            follow(spool, running, in_thread)
            until(lambda: counters(spool).get("stream.lost_in_gap") == 1, within_s=60)
        message.deliver("stays@a.example")
        events = wait_for_events(spool, count=3)

    assert ("gone@a.example", "delivered") not in events
    (gap,) = gaps(spool)
    assert gap.lost_count == 1
    assert gap.from_ms
    assert gap.from_ms < gap.to_ms
    assert "oplog" in gap.reason
    assert "replSetResizeOplog" in caplog.text
    (shown,) = read_summary(tmp_path)["stream_gaps"]
    assert (shown["lost_count"], shown["reason"]) == (1, gap.reason)


def follow(spool, running, in_thread, *, uri=None, **options):
    target = uri or running.uri_of(DATABASE)
    stop = in_thread(ChangeStream(spool, Secret(target), node=NODE, **options))
    until(lambda: has_position(spool))
    return stop


def fill_oplog(client):
    """Write until the oplog's first entry is another: it is cut in big steps, by a thread of its
    own."""
    oplog = client.local["oplog.rs"]
    first = oplog.find_one(sort=[("$natural", 1)])["ts"]

    def is_cut():
        client["other"]["filler"].insert_many(
            [{"filler": secrets.token_bytes(1_000_000)} for _ in range(10)]
        )
        client["other"]["filler"].drop()
        return oplog.find_one(sort=[("$natural", 1)])["ts"] != first

    until(is_cut, within_s=120)


def test_a_dropped_collection_is_a_gap_and_the_next_mail_is_captured(
    make_spool, mongodb, in_thread
):
    name = f"zone-mta-{secrets.token_hex(4)}"
    spool = make_spool(grace_s=0)
    with connect(mongodb.uri) as client:
        db = client[name]
        accept(db, "a@corp.example", ["lost@a.example"])
        follow(spool, mongodb, in_thread, uri=mongodb.uri_of(name))
        wait_for_events(spool, count=1)

        db["zone-queue"].drop()
        until(lambda: counters(spool).get("stream.lost_in_gap") == 1)
        accept(db, "a@corp.example", ["next@a.example"])
        events = wait_for_events(spool, count=2)
        (gap,) = gaps(spool)
        client.drop_database(name)

    assert ("next@a.example", "sent") in events
    assert gap.reason == "the collection zone-queue was dropped"
    assert gap.lost_count == 1


def test_without_a_replica_set_it_logs_the_fix_and_keeps_trying(
    make_spool, supervisor, home, in_thread, caplog
):
    alone = deployments.start_alone(supervisor, home)
    uri = f"mongodb://127.0.0.1:{alone.port}/{DATABASE}"
    stream = ChangeStream(make_spool(), Secret(uri), node=NODE)

    with caplog.at_level(logging.WARNING):
        in_thread(stream)
        until(lambda: stream.health().last_error)

    assert "is not a replica set" in stream.health().last_error
    assert "rs.initiate()" in caplog.text


@pytest.fixture
def with_users(supervisor, home, tmp_path):
    """A MongoDB that requires a password, with a user who may read ZoneMTA's database and one who
    may not."""
    key_file = tmp_path / "key"
    key_file.write_text(secrets.token_hex(32))
    key_file.chmod(0o600)
    running = stack.start(supervisor, home, options=["--keyFile", str(key_file)])
    roles = {"admin": ["root"], "reader": [{"role": "read", "db": DATABASE}], "stranger": []}
    with pymongo.MongoClient("127.0.0.1", running.port, directConnection=True) as client:
        client.admin.command("createUser", "admin", pwd="secret", roles=["root"])
    with connect(uri_for(running, "admin", database="admin")) as client:
        for name in ("reader", "stranger"):
            client.admin.command("createUser", name, pwd="secret", roles=roles[name])
        for name in COLLECTIONS:
            client[DATABASE].create_collection(name)
    return running


def uri_for(running, user, *, database=DATABASE):
    return (
        f"mongodb://{user}:secret@127.0.0.1:{running.port}/{database}"
        "?replicaSet=rs0&authSource=admin"
    )


def test_the_documented_user_logs_in_with_the_documented_uri(make_spool, with_users, in_thread):
    install = (ROOT / "docs/install.md").read_text()
    roles = re.search(r"createUser\(\{.*?roles: (\[.*?\])\n", install, re.DOTALL)[1]
    documented = re.search(r'AGENT_ZONEMTA_MONGODB_URI="(mongodb://mallard:…@.*)"', install)[1]
    with connect(uri_for(with_users, "admin", database="admin")) as client:
        client.admin.command(
            "createUser",
            "mallard",
            pwd="secret",
            roles=json.loads(re.sub(r"(\w+):", r'"\1":', roles)),
        )
    uri = documented.replace("…", "secret").replace("@db1/", f"@127.0.0.1:{with_users.port}/")
    spool = make_spool(grace_s=0)

    follow(spool, with_users, in_thread, uri=uri)
    with connect(uri_for(with_users, "admin")) as client:
        accept(client[DATABASE], "a@corp.example", ["one@a.example"])

        assert ("one@a.example", "sent") in wait_for_events(spool, count=1)


def test_without_rights_its_error_names_the_missing_role(make_spool, with_users, in_thread):
    stream = ChangeStream(make_spool(), Secret(uri_for(with_users, "stranger")), node=NODE)

    in_thread(stream)
    until(lambda: stream.health().last_error)

    assert "role 'read'" in stream.health().last_error


def test_who_may_only_read_follows_without_pre_images_and_changes_nothing(
    make_spool, with_users, in_thread, caplog
):
    spool = make_spool(grace_s=0)
    with caplog.at_level(logging.INFO):
        follow(
            spool, with_users, in_thread, uri=uri_for(with_users, "reader"), enable_pre_images=True
        )
    with connect(uri_for(with_users, "admin")) as client:
        message = accept(client[DATABASE], "a@corp.example", ["one@a.example"])
        message.deliver("one@a.example")
        events = wait_for_events(spool, count=2)
        options = client[DATABASE]["zone-queue"].options()

    assert ("one@a.example", "delivered") in events
    assert "changeStreamPreAndPostImages" not in options
    assert "may not switch them on" in caplog.text


def test_who_may_gets_pre_images_switched_on(make_spool, mongodb, in_thread):
    name = f"zone-mta-{secrets.token_hex(4)}"
    with connect(mongodb.uri) as client:
        for collection in COLLECTIONS:
            client[name].create_collection(collection)
        spool = make_spool()
        follow(spool, mongodb, in_thread, uri=mongodb.uri_of(name), enable_pre_images=True)

        options = [client[name][collection].options() for collection in COLLECTIONS]
        client.drop_database(name)

    assert options == [{"changeStreamPreAndPostImages": {"enabled": True}}] * 2


def test_each_instance_of_a_shared_queue_reports_its_own_share(make_spool, mongodb, in_thread):
    name = f"zone-mta-{secrets.token_hex(4)}"
    spool = make_spool(grace_s=0)
    with connect(mongodb.uri) as client:
        db = client[name]
        accept(db, "a@corp.example", ["before@a.example"])
        follow(spool, mongodb, in_thread, uri=mongodb.uri_of(name), instance="mta-01")
        message = accept(
            db, "a@corp.example", ["ours@a.example", "theirs@a.example", "deleted@a.example"]
        )
        message.lock("theirs@a.example", instance="mta-02")
        message.defer("theirs@a.example", 1, "451 later")
        message.lock("ours@a.example")
        message.defer("ours@a.example", 1, "451 later")
        message.lock("theirs@a.example", instance="mta-02")
        message.leave("theirs@a.example")
        message.deliver("ours@a.example")
        message.leave("deleted@a.example")
        events = wait_for_events(spool, count=5)
        client.drop_database(name)

    assert set(events) == {
        ("ours@a.example", "sent"),
        ("ours@a.example", "deferred"),
        ("ours@a.example", "delivered"),
        ("deleted@a.example", "sent"),
        ("deleted@a.example", "dropped"),
    }
    assert counters(spool)["stream.other_instances"] == 1


def test_a_shared_queue_without_a_name_is_reported_completely_and_warned_of_once(
    make_spool, mongodb, in_thread, caplog
):
    name = f"zone-mta-{secrets.token_hex(4)}"
    spool = make_spool(grace_s=0)
    with connect(mongodb.uri) as client, caplog.at_level(logging.WARNING):
        follow(spool, mongodb, in_thread, uri=mongodb.uri_of(name))
        message = accept(client[name], "a@corp.example", ["a@a.example", "b@a.example"])
        message.lock("a@a.example")
        message.lock("b@a.example", instance="mta-02")
        message.leave("a@a.example")
        message.leave("b@a.example")
        wait_for_events(spool, count=4)
        client.drop_database(name)

    assert caplog.text.count("AGENT_DISCOVERY_ZONEMTA_INSTANCE") == 1
    assert len(read_events(spool)) == 4
