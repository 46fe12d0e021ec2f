"""Compression of events that wait long: in order, count_items, dropped oldest first."""

import json
import os
import random
import zlib

import pytest

from agent.config import Config
from agent.config import Spool as SpoolSettings
from agent.spool import SOURCES, Accepted, compression, read_summary, retention
from agent.spool import queue as queue_module
from tests.agent_fixtures import MIB, make_event, numbers, read_events, take, take_reported
from tests.fakes.plugin_process import build_event

# The promise: so many events fit, by default bounds.
PROMISED_EVENTS = 8_000_000
MANY = compression.LOOSE_ITEMS + 4 * compression.MAX_ITEMS


def blocks(spool):
    with spool.read() as tx:
        return tx.execute(
            "SELECT first_seq, last_seq FROM events_packed ORDER BY first_seq"
        ).fetchall()


def count_items(spool):
    """Count and bytes by the counters, and count by the rows."""
    with spool.read() as tx:
        counters = dict(tx.execute("SELECT name, value FROM counters"))
        (loose,) = tx.execute("SELECT count(*) FROM events").fetchone()
        (in_pieces,) = tx.execute(
            "SELECT coalesce(sum(last_seq - first_seq + 1), 0) FROM events_packed"
        ).fetchone()
        (loose_bytes,) = tx.execute(
            "SELECT coalesce(sum(length(body) + 32), 0) FROM events"
        ).fetchone()
        (piece_bytes,) = tx.execute(
            "SELECT coalesce(sum(length(body) + 40), 0) FROM events_packed"
        ).fetchone()
    assert counters["events.bytes"] == loose_bytes + piece_bytes
    assert counters["events.count"] == loose + in_pieces
    return counters["events.count"]


def fill(spool, count, *, step=100):
    for start in range(0, count, step):
        take(spool, range(start, min(start + step, count)))


def drain(spool, **bounds):
    found, expected = [], None
    while batch := spool.events.peek(**({"max_count": 500, "max_bytes": MIB} | bounds)):
        assert expected in (None, batch.first_seq)
        expected = batch.last_seq + 1
        found += [json.loads(body)["n"] for body in batch.bodies]
        spool.events.ack(batch)
        count_items(spool)
    return found


def test_events_that_flow_are_not_compressed(spool):
    for start in range(0, 5000, 50):
        take(spool, range(start, start + 50))
        spool.events.ack(spool.events.peek(max_count=500, max_bytes=MIB))

    assert blocks(spool) == []


@pytest.mark.parametrize(
    "bounds",
    [{}, {"max_count": 7}, {"max_count": 333}, {"max_bytes": 1000}, {"max_count": 5000}],
)
def test_events_that_wait_are_compressed_and_come_out_in_order_once(spool, bounds):
    fill(spool, MANY)

    assert blocks(spool)
    assert count_items(spool) == MANY
    assert drain(spool, **bounds) == list(range(MANY))
    assert count_items(spool) == 0


def test_complete_blocks_go_into_one_batch(spool):
    fill(spool, MANY)

    assert len(spool.events.peek(max_count=500, max_bytes=MIB).bodies) == 2 * compression.MAX_ITEMS


def test_events_that_arrive_while_a_batch_is_on_its_way_do_not_disturb_it(spool):
    take(spool, range(400))
    batch = spool.events.peek(max_count=130, max_bytes=MIB)
    fill_later = range(400, MANY)
    take(spool, fill_later)
    assert blocks(spool)[0][0] == 1

    spool.events.ack(batch)

    assert count_items(spool) == MANY - 130
    assert drain(spool) == list(range(130, MANY))


def test_items_of_a_block_that_are_set_aside_are_reported_and_the_rest_goes_on(spool, tmp_path):
    fill(spool, MANY)

    spool.events.set_aside(spool.events.peek(max_count=10, max_bytes=MIB), "400")

    batch = spool.events.peek(max_count=10, max_bytes=MIB)
    assert batch.first_seq == 11
    assert batch.dropped == ((1, 10),)
    assert read_summary(tmp_path)["events"]["oldest_seq"] == 11


def test_a_full_spool_drops_the_oldest_blocks_and_reports_their_numbers(make_spool, tmp_path):
    spool = make_spool(max_event_bytes=MIB)
    for start in range(0, 6000, 20):
        bodies = [
            json.dumps({"n": number, "padding": os.urandom(300).hex()}).encode()
            for number in range(start, start + 20)
        ]
        with spool.begin() as tx:
            spool.events.append(tx, bodies)

    shown = read_summary(tmp_path)["events"]
    left = count_items(spool)
    first = spool.events.peek(max_count=1, max_bytes=1)
    assert shown["bytes"] <= MIB
    assert shown["dropped"] == 6000 - left > 0
    assert first.first_seq == shown["dropped"] + 1
    assert first.dropped == ((1, shown["dropped"]),)
    assert drain(spool) == list(range(6000 - left, 6000))


def test_a_block_that_cannot_be_read_is_dropped_and_counted_and_the_rest_goes_on(
    spool, tmp_path, caplog
):
    fill(spool, MANY)
    with spool.begin() as tx:
        tx.execute("UPDATE events_packed SET body = x'00ff' WHERE first_seq = 1")

    batch = spool.events.peek(max_count=10, max_bytes=MIB)

    lost = compression.MAX_ITEMS
    assert batch.first_seq == lost + 1
    assert batch.dropped == ((1, lost),)
    assert read_summary(tmp_path)["events"]["dropped"] == lost
    assert "cannot be read again" in caplog.text


def test_decompression_undoes_compression_exactly():
    bodies = [b"", b"{}", b'{"a":"\n"}', os.urandom(1000)]

    assert compression.decompress(compression.compress(bodies)) == bodies
    with pytest.raises(zlib.error):
        compression.decompress(b"no")


def test_the_promised_number_of_events_fits_into_the_default_bound(spool, tmp_path):
    chance = random.Random(7)
    count = 20_000
    with_node = {"mta_node": "mta-01"}
    for _ in range(count // 100):
        bodies = [json.dumps(build_event(chance) | with_node).encode() for _ in range(100)]
        with spool.begin() as tx:
            spool.events.append(tx, bodies)

    files = sum(path.stat().st_size for path in tmp_path.glob("spool.db"))
    assert len(bodies[0]) > 650
    assert files / count * PROMISED_EVENTS < SpoolSettings().max_event_bytes


def test_a_day_of_samples_fits_into_the_default_bound(golden):
    intervals = Config(node_id="a").intervals
    for kind in ("system", *SOURCES):
        size = len(json.dumps(golden(f"metrics_{kind}.json"))) + queue_module.ROW_OVERHEAD_BYTES
        count = 86_400 / getattr(intervals, f"{kind}_s")

        # Four times the example: a node with many cores, disks and zones.
        assert 4 * size * count < SpoolSettings().max_sample_bytes, kind


def test_disk_space_of_an_outage_is_given_back(make_spool, tmp_path):
    spool = make_spool()
    for number in range(400):
        body = os.urandom(100_000)
        take_reported(spool, [Accepted(make_event(number).event, body)])
    largest = (tmp_path / "spool.db").stat().st_size

    while batch := spool.events.peek(max_count=20, max_bytes=10 * MIB):
        spool.events.ack(batch)
    for number in range(400, 500):
        take(spool, [number])
        spool.events.ack(spool.events.peek(max_count=20, max_bytes=MIB))
    spool.close()

    assert largest > 35 * MIB
    assert (tmp_path / "spool.db").stat().st_size < largest / 1.5


# Age


def test_items_that_wait_longer_than_the_bound_are_dropped_and_counted(
    make_spool, tmp_path, monkeypatch
):
    now_s = [1000.0]
    monkeypatch.setattr(retention.clock, "monotonic_s", lambda: now_s[0])
    spool = make_spool(max_age_s=3 * 3600.0)
    for hour in range(6):
        take(spool, [hour])
        spool.append_sample(b'{"n":%d}' % hour)
        now_s[0] += 3600

    # The last look was at five hours: what then had waited for three of them or more is gone.
    shown = read_summary(tmp_path)
    assert numbers(spool) == [3, 4, 5]
    assert shown["events"]["dropped"] == 3
    assert shown["samples"]["dropped"] == 3
    assert spool.events.peek(max_count=1, max_bytes=1).dropped == ((1, 3),)


def test_a_clock_that_jumps_years_drops_nothing_and_keeps_the_order(spool, monkeypatch):
    from agent import clock

    real_ms = clock.now_ms()
    for number, years in enumerate([0, 30, -20, 0]):
        monkeypatch.setattr(clock, "now_ms", lambda years=years: real_ms + years * 31_536_000_000)
        take(spool, [number])

    assert [item["n"] for item in read_events(spool)] == [0, 1, 2, 3]
