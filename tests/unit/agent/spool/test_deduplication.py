"""Memory of the events taken: true after every commit, failure, kill and merge."""

import random

import msgspec
import pytest

from agent.errors import SpoolError
from agent.spool import deduplication
from tests.agent_fixtures import make_event, numbers, read_events, take, take_reported

FEW = {"memory_count": 10_000}  # merged at 2 500 keys


def rows(spool, table):
    with spool.read() as tx:
        return tx.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def keys_of(spool, keys):
    with spool.read() as tx:
        return spool.intake._seen.find_known(tx, keys)


def make_keys(count, seed=1):
    chance = random.Random(seed)
    return [chance.randbytes(16) for _ in range(count)]


def remember(spool, keys):
    with spool.begin() as tx:
        spool.intake._seen.remember(tx, keys, 1)


@pytest.mark.parametrize("step", [1, 7, 900, 6000])
def test_every_key_is_known_before_during_and_after_it_goes_into_the_index(make_spool, step):
    spool, keys = make_spool(events=FEW), make_keys(6000)
    size = step if step > 1 else 100
    for number, start in enumerate(range(0, len(keys), size)):
        remember(spool, keys[start : start + size])

        # All of them now and then: to read all at each of 900 steps takes the longest of all tests.
        known = keys[0 if number % 10 == 0 else max(0, start - 100) : start + 1]
        assert keys_of(spool, known) == set(known)
    assert keys_of(spool, keys) == set(keys)
    assert rows(spool, "seen") >= 2500
    assert keys_of(spool, make_keys(100, seed=2)) == set()


def test_keys_of_a_failed_transaction_are_not_known(make_spool):
    spool, keys = make_spool(events=FEW), make_keys(5000)
    remember(spool, keys[:2000])

    def fail_after_the_merge():
        with spool.begin() as tx:
            spool.intake._seen.remember(tx, keys[2000:4000], 1)
            spool.intake._seen.remember(tx, keys[4000:], 1)
            assert spool.intake._seen.find_known(tx, keys) == set(keys)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail_after_the_merge()

    assert keys_of(spool, keys) == set(keys[:2000])
    remember(spool, keys)
    assert keys_of(spool, keys) == set(keys)


def test_a_commit_that_fails_makes_nothing_known_so_that_it_is_taken_when_it_comes_again(spool):
    take(spool, [1])
    with spool.read() as tx:
        tx.execute("PRAGMA query_only=1")
    with pytest.raises(SpoolError):
        take(spool, [2])
    with spool.read() as tx:
        tx.execute("PRAGMA query_only=0")

    take(spool, [1, 2])

    assert numbers(spool) == [1, 2]


def test_all_of_it_is_known_after_a_restart(make_spool):
    spool, keys = make_spool(events=FEW), make_keys(3100)
    for start in range(0, len(keys), 100):
        remember(spool, keys[start : start + 100])
    assert rows(spool, "seen_recent") > 0
    spool.close()

    assert keys_of(make_spool(events=FEW), keys) == set(keys)


def test_a_key_remembered_again_takes_no_room(make_spool):
    spool, keys = make_spool(events=FEW), make_keys(50)
    for _ in range(10):
        remember(spool, keys)

    assert rows(spool, "seen_recent") == 1
    assert deduplication.MERGE_AT >= 10_000


def test_after_a_restart_too_the_plugins_report_replaces_the_inferred_outcome(make_spool):
    first = make_spool()
    inferred = make_event(1, "delivered")
    event = inferred.event
    body = msgspec.json.encode(event)
    with first.begin() as tx:
        named = [event.event_id.bytes, inferred.final_key]
        first.intake.release(tx, {event.event_id.bytes: body}, inferred=named)
    first.close()

    second = make_spool()
    take_reported(second, [make_event(1, "bounced")])

    *_, correction = read_events(second)
    assert correction["replaces"] == str(event.event_id)
