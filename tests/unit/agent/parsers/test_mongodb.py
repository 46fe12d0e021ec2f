"""MongoDB's answers as they were recorded, and as they should not be."""

import json

import msgspec
from bson import json_util

from agent.parsers import mongodb
from tests.damage import assert_sane, damaged
from tests.paths import TESTS

SAMPLES = TESTS / "samples" / "mongodb"
OPTIONS = json_util.JSONOptions(tz_aware=True)


def recorded(name):
    return json_util.loads((SAMPLES / f"{name}.json").read_text(), json_options=OPTIONS)


def test_the_readings_are_those_mongodb_told():
    found = mongodb.build_readings(
        hello=recorded("hello"),
        status=recorded("serverStatus"),
        replica_set=recorded("replSetGetStatus"),
        databases=[recorded("dbStats")],
        oplog=(3600.0, 2**28),
    )

    assert (found.version, found.replica_set, found.member_state) == ("6.0.5", "rs0", "PRIMARY")
    assert found.primary == found.members[0].name
    assert found.insert_total >= 50
    assert found.cache_max_bytes == 2**28
    assert found.memory_resident_bytes > 2**20
    assert found.read_tickets_available_count > 0
    assert found.asserts_total >= 0
    assert (found.replication_lag_s, found.oplog_window_s) == (0.0, 3600.0)
    assert [(its.name, its.objects_count) for its in found.databases] == [("zone-mta", 50)]
    assert 0 < found.disk_used_bytes < found.disk_total_bytes
    assert found.refused == []


def test_each_members_lag_is_how_far_it_is_behind_the_primary():
    found = mongodb.build_readings(
        hello=recorded("hello"), replica_set=recorded("replSetGetStatus-3")
    )

    assert [(m.state, m.is_healthy, m.lag_s) for m in found.members] == [
        ("PRIMARY", True, 0.0),
        ("SECONDARY", True, 10.0),
        ("(not reachable/healthy)", False, None),
    ]


def test_without_a_primary_no_lag_is_known():
    status = recorded("replSetGetStatus-3")
    status["members"][0]["stateStr"] = "SECONDARY"

    found = mongodb.build_readings(hello=recorded("hello"), replica_set=status)

    assert found.primary is None
    assert {member.lag_s for member in found.members} == {None}


def test_hello_alone_tells_the_state():
    found = mongodb.build_readings(hello=recorded("hello"), refused=["serverStatus"])

    assert (found.member_state, found.replica_set, found.version) == ("PRIMARY", "rs0", None)
    assert found.primary is not None
    assert found.members == []
    assert found.refused == ["serverStatus"]


def test_tickets_are_found_where_newer_versions_keep_them():
    status = {"queues": {"execution": {"read": {"available": 7}, "write": {"available": 0}}}}

    found = mongodb.build_readings(hello={}, status=status)

    assert (found.read_tickets_available_count, found.write_tickets_available_count) == (7, 0)


def test_a_mongodb_that_stands_alone_has_no_state():
    found = mongodb.build_readings(hello={"isWritablePrimary": True, "maxWireVersion": 17})

    assert (found.replica_set, found.member_state, found.oplog_bytes) == (None, None, None)


def test_a_damaged_value_is_not_known_and_spoils_nothing_else():
    hello, size = recorded("hello"), recorded("dbStats")
    status, replica_set = recorded("serverStatus"), recorded("replSetGetStatus-3")
    # Of the cache's two hundred figures those that are read.
    cache = status["wiredTiger"]["cache"]
    status["wiredTiger"]["cache"] = {name: cache[name] for name in cache if "bytes" in name[:14]}
    for broken in damaged(json.loads(json_util.dumps(status))):
        assert_sane(msgspec.to_builtins(mongodb.build_readings(hello=hello, status=broken)))
    for broken in damaged(json.loads(json_util.dumps(replica_set["members"][:2]))):
        changed = replica_set | {"members": broken}
        assert_sane(msgspec.to_builtins(mongodb.build_readings(hello=hello, replica_set=changed)))
    for broken in damaged(json.loads(json_util.dumps(size))):
        assert_sane(msgspec.to_builtins(mongodb.build_readings(hello=hello, databases=[broken])))
    for broken in damaged(json.loads(json_util.dumps(hello))):
        assert_sane(msgspec.to_builtins(mongodb.build_readings(hello=broken)))
