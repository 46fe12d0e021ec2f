"""MongoDB's collector against real ones: with all rights, with none, and with nobody there."""

import base64
import json
import secrets
from contextlib import closing
from functools import partial

import pymongo
import pytest

from agent.collectors import mongodb as subject
from agent.collectors.mongodb import LOCAL_URI, MongoCollector, uri_of
from agent.config import Config, Discovery, Secret, load
from agent.errors import CollectError, SourceAbsent
from build.stack import mongodb as stack
from build.stack.ports import answers, free_port
from build.stack.supervisor import Program, Supervisor
from tests.fakes.certificates import make_certificate
from tests.fakes.local_server import Talker
from tests.waiting import until


def config(uri, **more):
    discovery = Discovery(mongodb_uri=Secret(uri), **more)
    return Config(node_id="mta-01", discovery=discovery)


@pytest.mark.parametrize(
    ("queue", "own", "expected"),
    [
        ("", "auto", LOCAL_URI),
        (
            "mongodb://u:p@127.0.0.1:27018/zone-mta",
            "auto",
            "mongodb://u:p@127.0.0.1:27018/zone-mta",
        ),
        ("mongodb://localhost/zone-mta", "auto", "mongodb://localhost/zone-mta"),
        ("mongodb://10.0.0.21:27017/zone-mta", "auto", LOCAL_URI),
        ("mongodb://127.0.0.1,10.0.0.2/zone-mta", "auto", LOCAL_URI),
        ("mongodb://127.0.0.1/zone-mta", "mongodb://a:1/", "mongodb://a:1/"),
        ("mongodb://127.0.0.1/zone-mta", "", ""),
    ],
)
def test_the_nodes_own_mongodb_is_queried(queue, own, expected):
    made = config(own, zonemta_mongodb_uri=Secret(queue))

    assert uri_of(made).reveal() == expected


def test_no_mongodb_at_all_is_no_failure():
    for uri in ("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100", ""):
        with closing(MongoCollector(config(uri))) as collector, pytest.raises(SourceAbsent):
            collector.collect()


@pytest.mark.parametrize("unasked", [b"", b"220 mx ESMTP\r\n" * 20])
def test_a_mongodb_that_hangs_or_is_none_is_given_up_in_time(monkeypatch, unasked):
    monkeypatch.setattr(subject, "TIMEOUT_MS", 300)
    with Talker(greeting=unasked) as other:
        uri = f"mongodb://127.0.0.1:{other.port}/"
        with closing(MongoCollector(config(uri))) as collector, pytest.raises(CollectError):
            collector.collect()


@pytest.mark.stack
def test_a_sample_of_a_real_mongodb_has_exactly_the_published_names(mongodb, golden):
    contract = golden("metrics_mongodb.json")
    name = f"zone-mta-{secrets.token_hex(4)}"
    with pymongo.MongoClient(mongodb.uri) as client:
        client[name]["zone-queue"].insert_many([{"n": n} for n in range(20)])
        with closing(MongoCollector(config(f"mongodb://127.0.0.1:{mongodb.port}/"))) as collector:
            sample = json.loads(collector.collect())
            # The next reads no sizes of databases; the last ones stay.
            again = json.loads(collector.collect())
        client.drop_database(name)

    readings = sample["mongodb"]
    assert sample.keys() == contract.keys()
    assert readings.keys() == contract["mongodb"].keys()
    assert readings["members"][0].keys() == contract["mongodb"]["members"][0].keys()
    assert (readings["member_state"], readings["replica_set"], readings["refused"]) == (
        "PRIMARY",
        "rs0",
        [],
    )
    assert readings["primary"] == f"127.0.0.1:{mongodb.port}"
    assert readings["memory_resident_bytes"] > 2**20
    assert readings["oplog_bytes"] == 256 * 2**20
    assert readings["oplog_window_s"] >= 0
    (size,) = [size for size in readings["databases"] if size["name"] == name]
    assert size.keys() == contract["mongodb"]["databases"][0].keys()
    assert size["objects_count"] == 20
    assert again["mongodb"]["databases"] == readings["databases"]


@pytest.fixture(scope="module")
def ports_with_auth(tmp_path_factory):
    """The ports of a primary and an arbiter of a replica set that wants a user, with three."""
    directory = tmp_path_factory.mktemp("mongodb_with_auth")
    key = directory / "key"
    key.write_text(base64.b64encode(secrets.token_bytes(64)).decode())
    key.chmod(0o600)
    port, arbiter = free_port(), free_port()
    with Supervisor(directory) as supervisor:
        for name, each in (("mongodb", port), ("arbiter", arbiter)):
            argv = [*stack.command(directory / name, each), "--replSet", "rs0", "--keyFile", key]
            supervisor.start(
                Program(
                    name=name,
                    argv=[*argv, "--oplogSize", "64"],
                    is_ready=partial(answers, each),
                    ready_within_s=60,
                )
            )
        with pymongo.MongoClient("127.0.0.1", port, directConnection=True) as client:
            members = [
                {"_id": 0, "host": f"127.0.0.1:{port}"},
                {"_id": 1, "host": f"127.0.0.1:{arbiter}", "arbiterOnly": True},
            ]
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
            until(lambda: client.admin.command("hello")["isWritablePrimary"])
            client.admin.command("createUser", "root", pwd="pw", roles=["root"])
        with pymongo.MongoClient(f"mongodb://root:pw@127.0.0.1:{port}/") as client:
            rights = ["clusterMonitor", {"role": "read", "db": "local"}]
            client.admin.command("createUser", "mallard", pwd="pw", roles=rights)
            client.admin.command("createUser", "small", pwd="pw", roles=[])
            client["zone-mta"]["zone-queue"].insert_one({})
        with pymongo.MongoClient("127.0.0.1", arbiter, directConnection=True) as client:
            until(lambda: client.admin.command("hello").get("arbiterOnly"))
        yield port, arbiter


@pytest.fixture(scope="module")
def mongodb_with_auth(ports_with_auth):
    return ports_with_auth[0]


@pytest.mark.stack
@pytest.mark.parametrize("user", ["mallard:pw@", ""])
def test_an_arbiter_gives_a_sample_though_nobody_can_log_in_to_it(ports_with_auth, user):
    uri = f"mongodb://{user}127.0.0.1:{ports_with_auth[1]}/?authSource=admin"
    with closing(MongoCollector(config(uri))) as collector:
        readings, again = (json.loads(collector.collect())["mongodb"] for _ in range(2))

    assert (readings["member_state"], readings["replica_set"]) == ("ARBITER", "rs0")
    assert readings["connections_current_count"] > 0
    assert {member["state"] for member in readings["members"]} == {"PRIMARY", "ARBITER"}
    assert (readings["databases"], readings["oplog_bytes"], readings["refused"]) == ([], None, [])
    assert again["uptime_s"] >= readings["uptime_s"]


@pytest.mark.stack
def test_a_mongodb_behind_tls_is_read_with_its_authority_known(tmp_path):
    made = make_certificate(tmp_path)
    port = free_port()
    argv = [*stack.command(tmp_path / "mongodb", port), "--tlsMode", "requireTLS"]
    argv += ["--tlsCertificateKeyFile", made.both]
    environ = {"AGENT_DISCOVERY_MONGODB_URI": f"mongodb://127.0.0.1:{port}/?tls=true"}
    known = environ | {"AGENT_DISCOVERY_CA_FILE": str(made.certificate)}

    def load_from(variables):
        return load(variables, directory=tmp_path, backend_needed=False).config

    with Supervisor(tmp_path) as supervisor:
        supervisor.start(
            Program(name="mongodb", argv=argv, is_ready=lambda: answers(port), ready_within_s=60)
        )
        with (
            closing(MongoCollector(load_from(environ))) as collector,
            pytest.raises(CollectError, match="Set ca_file of"),
        ):
            collector.collect()
        with closing(MongoCollector(load_from(known))) as collector:
            assert json.loads(collector.collect())["mongodb"]["version"]


@pytest.mark.stack
def test_the_rights_that_are_advised_suffice(mongodb_with_auth):
    uri = f"mongodb://mallard:pw@127.0.0.1:{mongodb_with_auth}/"
    with closing(MongoCollector(config(uri))) as collector:
        readings = json.loads(collector.collect())["mongodb"]

    assert readings["refused"] == []
    assert readings["oplog_bytes"] == 64 * 2**20
    assert [size["name"] for size in readings["databases"]] == ["zone-mta"]


@pytest.mark.stack
@pytest.mark.parametrize("user", ["small:pw@", ""])
def test_without_rights_the_state_is_still_reported_and_each_missing_right_logged_once(
    mongodb_with_auth, user, caplog
):
    with closing(
        MongoCollector(config(f"mongodb://{user}127.0.0.1:{mongodb_with_auth}/"))
    ) as collector:
        collector.collect()
        readings = json.loads(collector.collect())["mongodb"]

    assert {"serverStatus", "replSetGetStatus", "oplog"} <= set(readings["refused"])
    assert (readings["member_state"], readings["replica_set"]) == ("PRIMARY", "rs0")
    assert readings["version"] is None
    assert caplog.text.count("refuses serverStatus") == 1
    assert "clusterMonitor" in caplog.text


@pytest.mark.stack
def test_a_wrong_password_is_a_failure_that_says_where_to_mend_it(mongodb_with_auth):
    uri = f"mongodb://mallard:hush@127.0.0.1:{mongodb_with_auth}/"
    with (
        closing(MongoCollector(config(uri))) as collector,
        pytest.raises(CollectError, match="mongodb_uri") as refused,
    ):
        collector.collect()

    assert "hush" not in str(refused.value)
