"""MongoDB's answers as they were read_recorded, and as they should not be."""

import json

import msgspec
from bson import json_util

from agent.parsers import mongodb
from tests.damage import assert_sane, damage_copies
from tests.paths import TESTS

SAMPLES = TESTS / "samples" / "mongodb"
OPTIONS = json_util.JSONOptions(tz_aware=True)


def read_recorded(name):
    return json_util.loads((SAMPLES / f"{name}.json").read_text(), json_options=OPTIONS)


def test_the_readings_are_those_of_mongodb():
    readings = mongodb.build_readings(
        hello=read_recorded("hello"),
        status=read_recorded("serverStatus"),
        replica_set=read_recorded("replSetGetStatus"),
        databases=[read_recorded("dbStats")],
        oplog=(3600.0, 2**28),
    )

    assert (readings.version, readings.replica_set, readings.member_state) == (
        "6.0.5",
        "rs0",
        "PRIMARY",
    )
    assert readings.primary == readings.members[0].name
    assert readings.insert_total >= 50
    assert readings.cache_max_bytes == 2**28
    assert readings.memory_resident_bytes > 2**20
    assert readings.read_tickets_available_count > 0
    assert readings.asserts_total >= 0
    assert (readings.replication_lag_s, readings.oplog_window_s) == (0.0, 3600.0)
    assert [(its.name, its.objects_count) for its in readings.databases] == [("zone-mta", 50)]
    assert 0 < readings.disk_used_bytes < readings.disk_total_bytes
    assert readings.refused == []


def test_each_members_lag_is_how_far_it_is_behind_the_primary():
    readings = mongodb.build_readings(
        hello=read_recorded("hello"), replica_set=read_recorded("replSetGetStatus-3")
    )

    assert [(m.state, m.is_healthy, m.lag_s) for m in readings.members] == [
        ("PRIMARY", True, 0.0),
        ("SECONDARY", True, 10.0),
        ("(not reachable/healthy)", False, None),
    ]


def test_without_a_primary_no_lag_is_known():
    status = read_recorded("replSetGetStatus-3")
    status["members"][0]["stateStr"] = "SECONDARY"

    readings = mongodb.build_readings(hello=read_recorded("hello"), replica_set=status)

    assert readings.primary is None
    assert {member.lag_s for member in readings.members} == {None}


def test_hello_alone_tells_the_state():
    readings = mongodb.build_readings(hello=read_recorded("hello"), refused=["serverStatus"])

    assert (readings.member_state, readings.replica_set, readings.version) == (
        "PRIMARY",
        "rs0",
        None,
    )
    assert readings.primary is not None
    assert readings.members == []
    assert readings.refused == ["serverStatus"]


def test_tickets_are_found_where_newer_versions_keep_them():
    status = {"queues": {"execution": {"read": {"available": 7}, "write": {"available": 0}}}}

    readings = mongodb.build_readings(hello={}, status=status)

    assert (readings.read_tickets_available_count, readings.write_tickets_available_count) == (7, 0)


def test_a_mongodb_that_stands_alone_has_no_state():
    readings = mongodb.build_readings(hello={"isWritablePrimary": True, "maxWireVersion": 17})

    assert (readings.replica_set, readings.member_state, readings.oplog_bytes) == (None, None, None)


def test_a_damaged_value_is_not_known_and_spoils_nothing_else():
    hello, size = read_recorded("hello"), read_recorded("dbStats")
    status, replica_set = read_recorded("serverStatus"), read_recorded("replSetGetStatus-3")
    # Of the cache's two hundred figures those that are read.
    cache = status["wiredTiger"]["cache"]
    status["wiredTiger"]["cache"] = {name: cache[name] for name in cache if "bytes" in name[:14]}
    for broken in damage_copies(json.loads(json_util.dumps(status))):
        assert_sane(msgspec.to_builtins(mongodb.build_readings(hello=hello, status=broken)))
    for broken in damage_copies(json.loads(json_util.dumps(replica_set["members"][:2]))):
        changed = replica_set | {"members": broken}
        assert_sane(msgspec.to_builtins(mongodb.build_readings(hello=hello, replica_set=changed)))
    for broken in damage_copies(json.loads(json_util.dumps(size))):
        assert_sane(msgspec.to_builtins(mongodb.build_readings(hello=hello, databases=[broken])))
    for broken in damage_copies(json.loads(json_util.dumps(hello))):
        assert_sane(msgspec.to_builtins(mongodb.build_readings(hello=broken)))
