"""Events that wait in the spool since before this node's clock was set."""

from types import SimpleNamespace

import pytest

from agent import clock
from agent.lifecycle import EVENTS_ROUTE
from agent.spool import clock_steps
from agent.transport.stats import Skew
from tests.agent_fixtures import MIB, take

HOUR_MS = 3_600_000


@pytest.fixture
def node(monkeypatch):
    """A node whose clock can be set: `offset_ms`, `boot`, and `ahead_ms` as last measured."""
    made = SimpleNamespace(offset_ms=0, boot="first", ahead_ms=None)
    monkeypatch.setattr(clock, "offset_ms", lambda: made.offset_ms)
    monkeypatch.setattr(clock, "boot_id", lambda: made.boot)
    return made


@pytest.fixture
def make(make_spool, node):
    def open_spool():
        spool = make_spool()
        spool.events.clock_steps.ahead_ms = lambda _offset_ms: node.ahead_ms
        return spool

    return open_spool


def batches(spool):
    """Return first and last number, and clock_set_ms, of what is sent."""
    found = []
    while batch := spool.events.peek(max_count=100, max_bytes=MIB):
        found.append((batch.first_seq, batch.last_seq, batch.clock_set_ms))
        spool.events.ack(batch)
    return found


def test_a_batch_says_how_far_the_clock_was_set_since_its_events_were_captured(make, node):
    spool = make()
    take(spool, range(3))
    node.offset_ms -= HOUR_MS  # it was an hour ahead

    take(spool, range(3, 5))

    assert batches(spool) == [(1, 3, -HOUR_MS), (4, 5, 0)]


def test_no_batch_has_events_of_two_clocks(make, node):
    spool = make()
    for n in range(4):
        take(spool, [n])
        node.offset_ms += HOUR_MS

    assert batches(spool) == [(n, n, (5 - n) * HOUR_MS) for n in range(1, 5)]


def test_a_clock_that_is_slewed_was_not_set(make, node):
    spool = make()
    for n in range(3):
        take(spool, [n])
        node.offset_ms += 400

    assert batches(spool) == [(1, 3, 0)]


def test_a_clock_that_was_set_before_the_agent_restarted_was_set_all_the_same(make, node):
    spool = make()
    take(spool, range(2))
    spool.close()
    node.offset_ms += HOUR_MS

    assert batches(make()) == [(1, 2, HOUR_MS)]


def test_a_clock_that_was_set_while_the_machine_restarted_is_known_where_it_was_measured(
    make, node
):
    spool = make()
    node.ahead_ms = 2 * HOUR_MS
    take(spool, range(2))
    spool.close()
    node.boot, node.offset_ms, node.ahead_ms = "second", 12345678, 300

    assert batches(make()) == [(1, 2, 300 - 2 * HOUR_MS)]


def test_of_an_earlier_start_of_the_machine_nothing_is_guessed(make, node):
    spool = make()
    take(spool, range(2))
    spool.close()
    node.boot, node.offset_ms = "second", 12345678

    assert batches(make()) == [(1, 2, 0)]


def test_what_was_captured_before_a_virtual_machine_stood_still_keeps_its_time(make, node):
    spool = make()
    node.ahead_ms = 0
    take(spool, [1])
    node.ahead_ms = -HOUR_MS  # it goes on as if that hour had not been
    take(spool, [2])
    node.offset_ms, node.ahead_ms = HOUR_MS, 0  # it is set

    assert batches(spool) == [(1, 1, 0), (2, 2, HOUR_MS)]


def test_a_measurement_that_comes_later_is_of_the_events_before_it_too(make, node):
    spool = make()
    take(spool, [1])
    node.ahead_ms = HOUR_MS
    take(spool, [2])
    node.boot, node.offset_ms, node.ahead_ms = "second", 5, 0

    assert batches(spool) == [(1, 2, -HOUR_MS)]


def test_the_steps_of_a_clock_that_is_never_right_are_bounded(make, node):
    spool = make()
    for n in range(3 * clock_steps.MAX_STEPS):
        node.offset_ms += HOUR_MS
        take(spool, [n])

    with spool.read() as tx:
        (count,) = tx.execute("SELECT count(*) FROM clock_steps").fetchone()
    assert count == clock_steps.MAX_STEPS
    assert batches(spool)[0] == (1, 100, 0)


def test_a_new_file_in_place_of_a_damaged_one_knows_the_clock(make, node, tmp_path):
    spool = make()
    take(spool, [1])
    spool._database._set_aside(Exception("damaged"))
    take(spool, [2])
    node.offset_ms += HOUR_MS

    assert batches(spool) == [(1, 1, HOUR_MS)]


def test_the_envelope_has_it_where_the_clock_was_set(make, node):
    spool = make()
    take(spool, [1])
    whole = EVENTS_ROUTE.body(spool.events.peek(max_count=1, max_bytes=MIB))
    node.offset_ms -= HOUR_MS
    earlier = EVENTS_ROUTE.body(spool.events.peek(max_count=1, max_bytes=MIB))

    assert b"clock_set_ms" not in whole
    assert b'"clock_set_ms":-3600000,' in earlier


def test_a_measured_skew_follows_the_clock_that_is_set(node):
    skew = Skew()
    at = clock.utc_now()
    assert skew.ahead_ms_at(0) is None

    skew.add(
        at, sent_at=clock.from_ms(clock.to_ms(at) + HOUR_MS), answered_at=at.replace(year=2999)
    )

    assert skew.ahead_ms_at(-HOUR_MS) == skew.ahead_ms_at(0) - HOUR_MS
