"""ZoneMTA's collector against its recorded answers and a queue in a real MongoDB."""

import json
import secrets
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pymongo
import pytest

from agent.collectors import build_collectors
from agent.collectors.mail_queue import QueueReader, destinations_pipeline, identity
from agent.collectors.zonemta import ZoneMtaCollector
from agent.config import Config, Discovery, Secret
from agent.errors import CollectError, SourceAbsent
from agent.samples import MailQueue, OtherDestinations, QueueDestination, ZoneMtaReadings
from agent.spool import SOURCES
from agent.status import AgentStatus
from tests.fakes.zonemta_writer import accept
from tests.recorded import zonemta_answer

NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def api():
    """ZoneMTA's API as recorded; `answers` may be changed."""
    answers = {
        "/metrics": (200, zonemta_answer("metrics-end")),
        "/counter/zone/": (200, zonemta_answer("counter-zone-empty")),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, text = answers.get(self.path, (404, "{}"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.answers = answers
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def config(**discovery):
    return Config(node_id="mta-01", discovery=Discovery(**discovery))


def collect(**discovery):
    with closing(ZoneMtaCollector(config(**discovery), AgentStatus())) as collector:
        return json.loads(collector.collect())


def test_a_sample_has_exactly_the_published_names(api, golden):
    contract = golden("metrics_zonemta.json")

    sample = collect(zonemta_api_url=api.url)

    assert sample.keys() == contract.keys()
    assert sample["zonemta"] == contract["zonemta"]
    assert sample["queue"].keys() == contract["queue"].keys()
    msgspec.convert(contract["zonemta"], ZoneMtaReadings, strict=False)
    queue = msgspec.convert(contract["queue"], MailQueue, strict=False)
    assert msgspec.to_builtins(queue)["ages"] == contract["queue"]["ages"]
    assert queue.shares[0].instance == "mta-01"
    assert queue.destinations[0].domain == "slow.example"


def test_without_mongodb_the_api_tells_the_sizes_and_no_more(api):
    queue = collect(zonemta_api_url=api.url)["queue"]

    assert (queue["source"], queue["active_count"], queue["deferred_count"]) == ("api", 0, 8)
    assert queue["ages"] is None


def test_no_zonemta_at_all_is_no_failure():
    with pytest.raises(SourceAbsent, match="ZoneMTA does not listen"):
        collect(zonemta_api_url=NOBODY)


@pytest.mark.parametrize("answer", [(200, "<html>"), (404, "{}"), (500, "x")])
def test_another_program_on_the_port_is_a_reported_failure(api, answer):
    api.answers["/metrics"] = answer

    with pytest.raises(CollectError, match="ZoneMTA"):
        collect(zonemta_api_url=api.url)


def test_a_zonemta_without_its_zones_still_tells_its_counters(api):
    api.answers["/counter/zone/"] = (500, "{}")

    sample = collect(zonemta_api_url=api.url)

    assert sample["queue"] is None
    assert sample["zonemta"]["messages_taken_count"] == 17


def test_a_mongodb_that_is_away_leaves_the_sizes(api):
    uri = Secret("mongodb://u:hush@127.0.0.1:1/zone-mta?serverSelectionTimeoutMS=200")

    assert collect(zonemta_api_url=api.url, zonemta_mongodb_uri=uri)["queue"]["source"] == "api"


def test_a_shared_database_has_one_name_whoever_asks():
    hosts = {"setName": "rs0", "hosts": ["b:1", "a:1"]}

    assert identity(hosts | {"me": "b:1"}, "zone-mta") == "rs0/zone-mta@a:1"
    assert identity(hosts | {"me": "a:1"}, "zone-mta") == "rs0/zone-mta@a:1"
    assert identity({}, "z") == "alone/z@"


@pytest.mark.parametrize(
    "hello",
    [
        {},
        {"setName": "rs0", "hosts": ["127.0.0.1:27017"]},
        {"setName": "rs0", "hosts": ["localhost:27019", "localhost:27018"]},
        {"setName": "rs0", "hosts": ["[::1]:27017"]},
    ],
)
def test_a_database_whose_address_means_another_machine_on_each_node_is_named_after_its_node(hello):
    assert identity(hello, "z", place="mta-01").endswith("/z@mta-01")
    assert identity(hello, "z", place="mta-01") != identity(hello, "z", place="mta-02")


def test_a_cluster_has_one_name_whichever_router_answers():
    assert identity({"msg": "isdbgrid"}, "z", place="mta-01") == "mongos/z@cluster"


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("127.0.0.1:27017", "mta-01"),
        ("localhost", "mta-01"),
        ("u:p%40ss@[::1]:27017", "mta-01"),
        ("%2Frun%2Fmongodb-27017.sock", "mta-01"),
        ("db1.example:27017", "db1.example:27017"),
        ("b:1,a:1", "a:1"),
    ],
)
def test_a_standalone_is_named_after_the_address_by_which_all_its_readers_reach_it(address, place):
    with closing(QueueReader(Secret(f"mongodb://{address}/zone-mta"), node="mta-01")) as reader:
        assert reader.place == place


def test_every_source_has_its_queue_and_its_interval():
    made = build_collectors(config())

    machine, *sources = [collector.name for collector in made]
    assert machine == "system"
    assert set(sources) <= set(SOURCES)
    for source in sources:
        assert getattr(Config(node_id="a").intervals, f"{source}_s") > 0


@pytest.mark.stack
@pytest.mark.parametrize("answer", [(200, "<html>"), (500, "x"), None])
def test_a_zonemta_that_is_ill_or_gone_leaves_the_queue_of_its_database(mongodb, api, answer):
    if answer:
        api.answers["/metrics"] = answer
    uri = Secret(mongodb.uri_of(f"zone-mta-{secrets.token_hex(4)}"))

    sample = collect(zonemta_api_url=api.url if answer else NOBODY, zonemta_mongodb_uri=uri)

    assert sample["zonemta"] is None
    assert sample["queue"]["source"] == "mongodb"


@pytest.mark.stack
def test_the_queue_of_a_real_mongodb_is_counted_in_every_way(mongodb):
    name = f"zone-mta-{secrets.token_hex(4)}"
    reader = QueueReader(Secret(mongodb.uri_of(name)), instance="mta-01")
    with pymongo.MongoClient(mongodb.uri) as client:
        db = client[name]
        empty = reader.read()
        message = accept(db, "alice@corp.example", ["now@a.example", "later@a.example"])
        message.lock("now@a.example")
        message.lock("later@a.example")
        message.defer("later@a.example", 1, "451 4.3.0 later")
        later = datetime.now(UTC) + timedelta(minutes=5)
        deferred = {"recipient": "later@a.example"}
        db["zone-queue"].update_one(deferred, {"$set": {"queued": later}})
        old = datetime.now(UTC) - timedelta(hours=2)
        accept(db, "bob@corp.example", ["old@b.example"])
        db["zone-queue"].update_one({"recipient": "old@b.example"}, {"$set": {"created": old}})
        queue = reader.read()
        client.drop_database(name)
    reader.close()

    assert empty.active_count == empty.deferred_count == 0
    assert empty.oldest_created_at is None
    assert isinstance(queue, MailQueue)
    assert (queue.active_count, queue.deferred_count, queue.locked_count) == (2, 1, 1)
    assert sum(zone.active_count for zone in queue.zones) == 2
    assert abs(queue.oldest_created_at - old) < timedelta(seconds=1)
    assert [(age.up_to_s, age.count) for age in queue.ages if age.count] == [(60, 2), (14_400, 1)]
    assert {share.instance: share.count for share in queue.shares} == {"mta-01": 2, "no": 1}
    assert [(reason.response, reason.count) for reason in queue.reasons] == [("451 4.3.0 later", 1)]
    assert queue.reasons_of_count == 1
    assert queue.database.startswith("rs0/zone-mta-")
    assert empty.destinations == []
    assert [(one.domain, one.counts, one.replies) for one in queue.destinations] == [
        ("a.example", [2, 0, 0, 0, 0, 0, 0], ["451 4.3.0 later"]),
        ("b.example", [0, 0, 0, 0, 1, 0, 0], []),
    ]
    assert queue.other_destinations == OtherDestinations(0, [0] * 7, [0] * 6)
    assert queue.destinations_of_count == 3


@pytest.mark.stack
def test_of_six_hundred_replies_with_ids_of_their_own_every_recipient_is_told(mongodb):
    name = f"zone-mta-{secrets.token_hex(4)}"
    now = datetime.now(UTC)
    replies = [
        *(f"450 4.2.0 <u{n}@a.example>: Greylisted, see http://g.example/{n}" for n in range(200)),
        *(f"421 4.7.28 Try later. {n:x}-20020a17-si{n}b.{n % 7} - gsmtp" for n in range(300)),
        *(f"452 4.2.2 Mailbox {a}{b} is full" for a in "abcdefghij" for b in "klmnopqrs"),
        *["451 4.3.0 Temporary system problem, try again later"] * 10,
    ]
    waiting = [
        {"created": now, "queued": now + timedelta(hours=1), "_deferred": {"response": reply}}
        for reply in replies
    ]
    scheduled = {"created": now, "queued": now + timedelta(hours=1)}
    with pymongo.MongoClient(mongodb.uri) as client:
        client[name]["zone-queue"].insert_many([*waiting, scheduled])
        with closing(QueueReader(Secret(mongodb.uri_of(name)))) as reader:
            read = reader.read()
        client.drop_database(name)

    assert len(replies) == read.reasons_of_count == 600
    assert sum(reason.count for reason in read.reasons) == 600
    assert [reason.count for reason in read.reasons][:2] == [300, 200]
    assert {reason.response for reason in read.reasons} <= set(replies)


@pytest.mark.stack
def test_of_a_long_queue_the_largest_destinations_are_listed_and_the_rest_is_summed(mongodb):
    name = f"zone-mta-{secrets.token_hex(4)}"
    now = datetime.now(UTC)
    with pymongo.MongoClient(mongodb.uri) as client:
        queue = client[name]["zone-queue"]
        queue.create_index([("created", 1)])
        queue.create_index(
            [(f, 1) for f in ("sendingZone", "queued", "locked", "assigned", "domain")]
        )
        waiting = [
            {
                "domain": f"d{number % 60}.example",
                "sendingZone": "default",
                "created": now - timedelta(hours=2),
                "queued": now + timedelta(hours=1),
                "_deferred": {"response": f"451 4.3.{number % 9} later", "log": ["never read"]},
            }
            for number in range(200)
        ]
        queue.insert_many(waiting)
        plan = client[name].command(
            "aggregate", "zone-queue", pipeline=destinations_pipeline(now), explain=True
        )
        with closing(QueueReader(Secret(mongodb.uri_of(name)))) as reader:
            read = reader.read()
        client.drop_database(name)

    assert len(read.destinations) == 50
    assert read.destinations[0] == QueueDestination(
        "d0.example", [0, 0, 0, 0, 4, 0, 0], read.destinations[0].replies, [0, 0, 0, 0, 0, 4]
    )
    assert all(0 < len(one.replies) <= 3 for one in read.destinations)
    assert read.other_destinations == OtherDestinations(
        10, [0, 0, 0, 0, 30, 0, 0], [0, 0, 0, 0, 0, 30]
    )
    assert read.destinations_of_count == 200
    assert "_deferred" in str(plan)
    assert "_deferred.log" not in str(plan)
    assert "'log'" not in str(plan)


@pytest.mark.stack
def test_in_how_long_zonemta_gives_a_recipient_up_is_counted(mongodb):
    name = f"zone-mta-{secrets.token_hex(4)}"
    now = datetime.now(UTC)
    soon = now + timedelta(minutes=30)
    waiting = [
        ("now.example", {"count": 17}),  # the next attempt is the last
        ("now.example", {"count": 99.0}),
        ("4h.example", {"count": 15}),  # two waits of four hours are left
        ("never-tried.example", None),
        ("odd.example", {"count": "many"}),
        ("odd.example", {"count": float("nan")}),
        ("odd.example", {"count": -3}),
    ]
    documents = [
        {"domain": domain, "created": now, "queued": soon, "_deferred": deferral}
        for domain, deferral in waiting
    ]
    month = now - timedelta(days=29, hours=13)
    documents.append({"domain": "old.example", "created": month, "queued": soon})
    documents.append({"domain": "odd.example", "created": "then", "queued": None})
    with pymongo.MongoClient(mongodb.uri) as client:
        client[name]["zone-queue"].insert_many(documents)
        with closing(QueueReader(Secret(mongodb.uri_of(name)))) as reader:
            read = reader.read()
        client.drop_database(name)

    assert [age.up_to_s for age in read.expiries] == [3600, 14_400, 43_200, 86_400, 172_800, None]
    by_domain = {one.domain: one.expiries for one in read.destinations}
    assert by_domain == {
        "now.example": [2, 0, 0, 0, 0, 0],
        "4h.example": [0, 0, 1, 0, 0, 0],
        "never-tried.example": [0, 0, 0, 0, 0, 1],
        "odd.example": [0, 0, 0, 0, 0, 4],
        "old.example": [0, 0, 1, 0, 0, 0],
    }
    assert [age.count for age in read.expiries] == [2, 0, 2, 0, 0, 5]
