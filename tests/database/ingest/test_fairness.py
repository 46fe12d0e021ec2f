"""Batches beyond a node's share, which wait behind those of the others."""

import pytest

from server.ingest import inbox, writer
from server.ingest.inbox import EVENTS, Entry
from tests.factories import stored_events

pytestmark = pytest.mark.usefixtures("committing_database")


@pytest.fixture(autouse=True)
def small_share(monkeypatch, empty_redis):
    monkeypatch.setattr(inbox, "SHARE_BYTES", 2_000)


def append(node, count=1):
    for _ in range(count):
        EVENTS.append(Entry(node, 0.0, 1, b"x" * 500))


def read(count=3):
    return EVENTS.read("test", count=count, block_ms=None)


def nodes(rows):
    return [row.entry.node for row in rows]


def test_one_nodes_flood_waits_behind_the_batches_of_others():
    append("flood", 20)
    append("calm", 2)

    first, second = read(), read()

    assert nodes(first)[:3] == ["flood"] * 3
    assert nodes(second)[:3] == ["flood", "calm", "calm"]
    assert EVENTS.late_length() == 16


def test_a_flood_is_stored_while_others_send_and_when_they_do_not():
    append("flood", 10)
    taken = 0
    for _ in range(4):
        append("calm", 3)
        taken += nodes(read(count=6)).count("flood")
    while rows := read():
        taken += nodes(rows).count("flood")

    assert taken == 10


def test_a_node_has_its_share_again_when_its_batches_are_stored():
    append("flood", 10)
    while rows := read(count=100):
        EVENTS.acknowledge(rows)
    assert (EVENTS.length(), EVENTS.size_bytes()) == (0, 0)

    append("flood", 2)

    assert (EVENTS.late_length(), EVENTS.length()) == (0, 2)


def test_what_two_writers_stored_is_subtracted_once():
    append("flood", 10)
    rows = read(count=100)
    EVENTS.acknowledge(rows[:3])
    EVENTS.acknowledge(rows[1:4])

    assert EVENTS.length() == 6
    assert EVENTS.size_bytes() == 6 * rows[0].size_bytes

    EVENTS.acknowledge(rows + read(count=100))

    assert (EVENTS.length(), EVENTS.size_bytes()) == (0, 0)


def test_a_stream_is_acknowledged_in_steps(monkeypatch):
    monkeypatch.setattr(inbox, "_MAX_ACKNOWLEDGED", 3)
    append("flood", 10)
    append("calm", 2)
    while rows := read(count=100):
        EVENTS.acknowledge(rows)

    assert (EVENTS.length(), EVENTS.size_bytes()) == (0, 0)


def test_a_script_that_redis_forgot_is_sent_again():
    EVENTS.client.script_flush()
    append("calm")
    EVENTS.client.script_flush()
    EVENTS.acknowledge(read())

    assert EVENTS.length() == 0


def test_both_streams_share_one_bound(settings):
    settings.INBOX_MAX_ENTRIES = 10
    with pytest.raises(inbox.InboxFull):
        append("flood", 11)
    with pytest.raises(inbox.InboxFull):
        append("calm")

    assert EVENTS.length() == 10


def test_late_batches_of_a_dead_writer_are_claimed_by_the_next(post, event, settings):
    settings.WRITER_CLAIM_AFTER_MS = 0
    for _ in range(12):
        post("events/ingest", event())
    EVENTS.read("dead-writer", count=100, block_ms=None)
    EVENTS.read("dead-writer", count=100, block_ms=None)

    writer.drain_events()

    assert (len(stored_events()), EVENTS.length()) == (12, 0)


@pytest.mark.parametrize(("used", "most"), [(799, 1_000), (10**9, 0)])
def test_an_inbox_takes_what_redis_has_room_for(monkeypatch, used, most):
    report_memory(monkeypatch, used, most)
    append("calm")

    assert EVENTS.length() == 1


def test_redis_keeps_memory_for_the_broker_and_the_live_counters(monkeypatch):
    report_memory(monkeypatch, 801, 1_000)

    with pytest.raises(inbox.InboxFull):
        append("calm")


def report_memory(monkeypatch, used, most):
    memory = {"used_memory": used, "maxmemory": most}
    monkeypatch.setattr(EVENTS.client, "info", lambda _section: memory)
    monkeypatch.setattr(inbox, "MEMORY_LOOK_S", -1.0)
