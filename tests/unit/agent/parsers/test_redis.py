"""Redis's INFO as it was recorded, and as it should not be."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.parsers import redis
from tests.damage import HOSTILE, assert_sane, cut
from tests.paths import TESTS

SAMPLES = TESTS / "samples" / "redis"
MASTER = (SAMPLES / "info-master.txt").read_text()
REPLICA = (SAMPLES / "info-replica.txt").read_text()


def test_a_masters_readings_are_its_own():
    readings = redis.parse_info(MASTER)

    assert (readings.version, readings.role, readings.keys_count) == ("7.0.15", "master", 200)
    assert (readings.maxmemory_bytes, readings.maxmemory_policy) == (0, "noeviction")
    assert (readings.keyspace_hits_total, readings.keyspace_misses_total) == (1, 1)
    assert (readings.aof_enabled, readings.aof_last_write_ok, readings.is_loading) == (
        True,
        True,
        False,
    )
    assert (readings.replicas_count, readings.replication_lag_bytes) == (1, 0)
    assert readings.master_link_up is None
    assert readings.used_memory_bytes > 1_000_000
    assert readings.rdb_last_save_at.tzinfo is not None


def test_a_replica_says_whether_it_follows():
    readings = redis.parse_info(REPLICA)

    assert (readings.role, readings.master_link_up, readings.master_link_down_s) == (
        "slave",
        True,
        None,
    )
    assert readings.replication_lag_bytes == 0


def test_a_replica_that_lost_its_master_says_for_how_long():
    lost = REPLICA.replace("master_link_status:up", "master_link_status:down")
    lost += "master_link_down_since_seconds:95\n"

    readings = redis.parse_info(lost)

    assert (readings.master_link_up, readings.master_link_down_s) == (False, 95)


def test_the_slowest_replica_is_the_lag():
    text = "redis_version:7\nmaster_repl_offset:1000\n"
    text += "slave0:ip=a,port=1,state=online,offset=900,lag=0\nslave1:ip=b,offset=400,lag=1\n"

    assert redis.parse_info(text).replication_lag_bytes == 600


def test_what_an_older_version_does_not_tell_is_not_known():
    readings = redis.parse_info("redis_version:2.8\nrole:master\n")

    assert readings.keys_count == 0
    assert readings.error_replies_total is None
    assert readings.aof_last_write_ok is None


def test_a_valkey_says_its_own_version():
    assert redis.parse_info("redis_version:7.2.4\nvalkey_version:8.0.1\n").version == "8.0.1"


@pytest.mark.parametrize("text", ["", "-NOAUTH Authentication required.", "<html>", "HTTP/1.1 400"])
def test_what_is_no_info_is_refused(text):
    with pytest.raises(ValueError, match="no redis_version"):
        redis.parse_info(text)


@pytest.mark.parametrize("text", [MASTER, REPLICA])
def test_an_info_that_was_cut_off_or_damaged_gives_what_is_left(text):
    for piece in cut(text):
        if "redis_version:" in piece:
            assert_sane(msgspec.to_builtins(redis.parse_info(piece)))
    whole = redis.parse_info(text)
    for line in text.splitlines():
        name, colon, _ = line.partition(":")
        if not colon or name == "redis_version":
            continue
        is_read = redis.parse_info(text.replace(line, f"{name}:x")) != whole
        # A line that is not read is tried too, with fewer values: there are a hundred of them.
        for value in HOSTILE if is_read else HOSTILE[::6]:
            broken = text.replace(line, f"{name}:{value}")
            assert_sane(msgspec.to_builtins(redis.parse_info(broken)))


@given(st.text())
def test_no_text_upsets_the_reader(text):
    assert_sane(msgspec.to_builtins(redis.parse_info("redis_version:1\n" + text)))
