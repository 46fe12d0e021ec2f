"""The stream of WildDuck's database on a real MongoDB, with documents as WildDuck writes them."""

import logging
import threading
from collections import Counter
from datetime import UTC, datetime

import pytest
from bson import ObjectId

from agent.config import Secret
from agent.doctor import mailbox
from agent.events.change_stream import ChangeStream
from agent.events.change_stream.clients import SharedClients
from agent.events.wildduck import MailboxStream, stream
from agent.spool import StreamPosition, read_summary
from build.stack import mongodb as stack
from build.stack.supervisor import Supervisor
from tests.agent_fixtures import read_events
from tests.system.agent.events.helpers import NODE, connect, counters
from tests.waiting import until

pytestmark = pytest.mark.stack
ID = ObjectId("6b0e33f4375222ccfa0a33ab")


@pytest.fixture
def wildduck(mongodb):
    """A fresh database with one account and one mailbox."""
    name = f"wildduck-{ObjectId()}"
    with connect(mongodb.uri) as client:
        client[name]["users"].insert_one({"_id": ID, "address": "a@in.example", "username": "a"})
        client[name]["mailboxes"].insert_one({"_id": ID, "path": "Lists/News", "user": ID})
        yield client[name]
        client.drop_database(name)


@pytest.fixture
def follow(mongodb, wildduck, in_thread):
    """Follow the database into a spool, until the event returned is set."""

    def start(spool):
        uri = Secret(mongodb.uri_of(wildduck.name))
        started = MailboxStream(spool, uri, node=NODE)
        stop = in_thread(started)
        until(lambda: started.health().succeeded_at, what="a saved position")
        return stop

    return start


def store(db, *, source="MX", root=None, **more):
    """Insert a message as WildDuck does; return its id."""
    id_ = ObjectId()
    document = {"_id": id_, "root": root or id_, "user": ID, "mailbox": ID, "size": 857}
    document |= {"idate": datetime.now(UTC), "msgid": f"<{id_}@a.example>", "subject": "a secret"}
    meta = {"source": source, "transactionId": f"{id_}.1", "from": "", "to": ["a@in.example"]}
    db["messages"].insert_one(document | {"meta": meta} | more)
    return str(id_)


def log_in(db, *, result="success", number=1):
    """Raise the counter of a document of authlog, as WildDuck does."""
    for _ in range(number):
        at = datetime.now(UTC)
        row = {"user": ID, "action": "authentication", "result": result, "protocol": "IMAP"}
        db["authlog"].find_one_and_update(
            row,
            {"$setOnInsert": {"created": at}, "$inc": {"events": 1}, "$set": {"last": at}},
            upsert=True,
        )


def wait_for(spool, count):
    events = until(lambda: (e := read_events(spool)) and len(e) >= count and e, what="events")
    assert len({each["event_id"] for each in events}) == len(events) == count
    return events


def is_following():
    return any(thread.name == MailboxStream.name for thread in threading.enumerate())


def test_deliveries_and_each_login_are_events_and_nothing_else_is(make_spool, wildduck, follow):
    spool = make_spool()
    follow(spool)

    stored = store(wildduck, junk=True)
    store(wildduck, root=ObjectId())
    store(wildduck, source="IMAP")
    wildduck["messages"].update_many({}, {"$set": {"unseen": False}})
    wildduck["authlog"].insert_one({"user": ID, "action": "create asp", "events": 1})
    log_in(wildduck, number=3)
    log_in(wildduck, result="fail", number=2)
    events = wait_for(spool, 6)

    types = Counter(each["event_type"] for each in events)
    assert types == {"stored": 1, "login": 3, "login_failed": 2}
    assert {each["account_name"] for each in events} == {"a@in.example"}
    assert events[0]["wildduck_id"] == stored
    assert events[0]["mailbox"] == "Lists/News"
    assert events[0]["filter_outcome"] == "spam"
    assert events[0]["from_address"] == "<>"
    assert "a secret" not in repr(events)


def test_a_restart_loses_nothing_and_repeats_nothing(make_spool, wildduck, follow):
    spool = make_spool()
    expected = set()
    for _ in range(3):
        stop = follow(spool)
        expected |= {store(wildduck) for _ in range(20)}
        log_in(wildduck, number=2)
        stop.set()
        until(lambda: not is_following())
        expected |= {store(wildduck) for _ in range(20)}
        log_in(wildduck)
    follow(spool)
    events = wait_for(spool, 129)

    assert {each["wildduck_id"] for each in events if "wildduck_id" in each} == expected
    assert Counter(each["event_type"] for each in events)["login"] == 9


def test_a_position_that_is_read_again_repeats_nothing(make_spool, wildduck, follow):
    spool = make_spool()
    stop = follow(spool)
    with spool.read() as tx:
        before = StreamPosition(tx, stream.NAME).position()
    store(wildduck)
    wait_for(spool, 1)
    stop.set()
    until(lambda: not is_following())
    with spool.begin() as tx:
        StreamPosition(tx, stream.NAME).save_position(before)
    follow(spool)
    store(wildduck)

    wait_for(spool, 2)


def test_a_message_of_sixteen_megabytes_is_an_event_like_any_other(make_spool, wildduck, follow):
    spool = make_spool()
    follow(spool)

    large = store(wildduck, mimeTree="x" * (16 * 1024 * 1024 - 1000))
    small = store(wildduck)

    events = wait_for(spool, 2)
    assert [each["wildduck_id"] for each in events] == [large, small]
    assert stream.NAME + ".gaps" not in counters(spool)


def test_a_lost_position_is_counted_and_the_stream_goes_on_from_now(
    make_spool, wildduck, follow, caplog, tmp_path
):
    spool = make_spool()
    stop = follow(spool)
    stop.set()
    until(lambda: not is_following())
    with spool.begin() as tx:
        # A token that this server does not know stands for one that its oplog has lost.
        token = {"_data": "820000000100000001296E5A1004"}
        StreamPosition(tx, stream.NAME).save_position(stream.encode_position(token))
    store(wildduck)
    with caplog.at_level(logging.WARNING):
        follow(spool)
    kept = store(wildduck)

    (event,) = wait_for(spool, 1)
    (gap,) = read_summary(tmp_path)["wildduck_gaps"]
    assert event["wildduck_id"] == kept
    assert counters(spool)["wildduck.gaps"] == 1
    assert gap["reason"]
    assert "followed from now" in caplog.text


def test_streams_of_one_deployment_share_a_client(make_spool, mongodb, wildduck, in_thread):
    clients, spool = SharedClients(), make_spool()
    streams = [
        MailboxStream(spool, Secret(mongodb.uri_of(wildduck.name)), node=NODE, clients=clients),
        ChangeStream(
            spool, Secret(mongodb.uri_of(f"{wildduck.name}-z")), node=NODE, clients=clients
        ),
    ]
    stops = [in_thread(each) for each in streams]
    until(lambda: all(each.health().succeeded_at for each in streams))

    ((_, leases),) = clients._clients.values()
    assert leases == 2
    for stop in stops:
        stop.set()
    until(lambda: not clients._clients)


def test_without_rights_doctor_prints_the_role_to_create(tmp_path, make_spool, in_thread):
    key_file = tmp_path / "key"
    key_file.write_text("k" * 64)
    key_file.chmod(0o600)
    with Supervisor(tmp_path / "stack") as supervisor:
        running = stack.start(supervisor, tmp_path / "stack", options=["--keyFile", str(key_file)])
        where = f"127.0.0.1:{running.port}"
        with connect(f"mongodb://{where}/?directConnection=true") as client:
            client.admin.command("createUser", "admin", pwd="secret", roles=["root"])
        uri = Secret(f"mongodb://mallard:secret@{where}/wildduck?replicaSet=rs0&authSource=admin")
        with connect(f"mongodb://admin:secret@{where}/?authSource=admin") as client:
            client.admin.command("createUser", "mallard", pwd="secret", roles=[])
            refused = mailbox.examine(uri)
            client["wildduck"].command(
                "createRole",
                "mallardMailbox",
                privileges=[
                    {
                        "resource": {"db": "wildduck", "collection": ""},
                        "actions": ["find", "changeStream"],
                    }
                ],
                roles=[],
            )
            client.admin.command(
                "grantRolesToUser", "mallard", roles=[{"role": "mallardMailbox", "db": "wildduck"}]
            )
            granted = mailbox.examine(uri)
            spool = make_spool()
            followed = MailboxStream(spool, uri, node=NODE)
            in_thread(followed)
            until(lambda: followed.health().succeeded_at)
            store(client["wildduck"])
            wait_for(spool, 1)

    assert refused.level == "failure"
    assert 'db.createRole({role: "mallardMailbox"' in refused.fix
    assert '{db: "wildduck", collection: ""}, actions: ["find", "changeStream"]' in refused.fix
    assert granted.level == "ok"
