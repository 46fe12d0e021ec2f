"""The spool: order, bounds, durability, damage."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from types import SimpleNamespace

import pytest

from agent.errors import AlreadyRunning, SpoolError
from agent.instance_lock import InstanceLock
from agent.spool import Accepted, Batch, read_summary
from agent.spool import queue as queue_module
from tests.agent_fixtures import MIB, make_event, numbers, take, take_reported


def test_items_come_out_in_order_with_numbers_without_holes(spool):
    take(spool, range(5))
    take(spool, range(5, 8))

    first = spool.events.peek(max_count=5, max_bytes=MIB)
    spool.events.ack(first)
    second = spool.events.peek(max_count=5, max_bytes=MIB)

    assert (first.first_seq, first.last_seq) == (1, 5)
    assert (second.first_seq, second.last_seq) == (6, 8)
    assert [json.loads(body)["n"] for body in second.bodies] == [5, 6, 7]


def test_peeking_takes_nothing_away(spool):
    take(spool, range(3))

    assert numbers(spool) == numbers(spool) == [0, 1, 2]


def test_a_batch_is_bounded_in_bytes_but_never_empty(spool):
    take(spool, range(10))

    assert len(spool.events.peek(max_count=100, max_bytes=20).bodies) == 2
    assert len(spool.events.peek(max_count=100, max_bytes=1).bodies) == 1


def test_numbers_go_on_after_everything_was_sent_and_the_agent_restarted(make_spool):
    spool = make_spool()
    take(spool, range(3))
    before = spool.events.peek(max_count=10, max_bytes=MIB)
    spool.events.ack(before)
    spool.close()
    spool = make_spool()

    take(spool, range(10, 12))
    batch = spool.events.peek(max_count=10, max_bytes=MIB)

    assert (batch.epoch, batch.first_seq) == (before.epoch, 4)


def test_an_event_that_a_plugin_sends_again_is_taken_once(spool):
    take(spool, range(3))
    take(spool, range(5))

    assert numbers(spool) == [0, 1, 2, 3, 4]
    with spool.read() as tx:
        (repeated,) = tx.execute(
            "SELECT value FROM counters WHERE name = 'receiver.repeated'"
        ).fetchone()
    assert repeated == 3


def test_the_memory_of_events_taken_is_bounded(make_spool):
    spool = make_spool(events={"memory_count": 10_000})
    for start in range(0, 11_000, 1000):
        take(spool, range(start, start + 1000))

    with spool.read() as tx:
        (count,) = tx.execute("SELECT count(*) FROM seen").fetchone()
    assert count <= 10_000 + 1000


def test_a_full_spool_drops_the_oldest_and_counts_them(make_spool, caplog, tmp_path):
    spool = make_spool(max_event_bytes=MIB)
    body = b'{"padding":"%s"}' % (b"x" * 10_000)

    for number in range(150):
        take_reported(spool, [Accepted(make_event(number).event, body)])

    shown = read_summary(tmp_path)["events"]
    batch = spool.events.peek(max_count=1000, max_bytes=10 * MIB)
    assert shown["bytes"] <= MIB
    assert shown["dropped"] == 150 - len(batch.bodies) > 0
    assert batch.last_seq == 150
    assert "dropped" in caplog.text


def test_a_disk_that_is_nearly_full_stops_the_growth_not_the_flow(make_spool, monkeypatch):
    monkeypatch.setattr(queue_module, "FLOOR_BYTES", 1000)
    spool = make_spool(min_free_bytes=1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=0))

    for number in range(200):
        take(spool, [number])

    assert 0 < len(numbers(spool)) < 40
    assert numbers(spool)[-1] == 199


def test_set_aside_items_are_stored_counted_and_no_longer_in_the_way(spool, tmp_path):
    take(spool, range(3))
    spool.events.set_aside(spool.events.peek(max_count=2, max_bytes=MIB), "400: not JSON")

    shown = read_summary(tmp_path)
    assert numbers(spool) == [2]
    assert shown["events"]["refused"] == 2
    assert shown["refused_kept_count"] == 2


def test_listeners_are_called_after_an_append(spool):
    woken = threading.Event()
    spool.events.on_append(woken.set)
    spool.append_sample(b"{}")
    woken_by_a_sample = woken.is_set()

    take(spool, [1])

    assert woken.is_set()
    assert not woken_by_a_sample


def test_a_failed_transaction_leaves_nothing(spool):
    def fail_half_way():
        with spool.begin() as tx:
            spool.events.append(tx, [b"{}"])
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        fail_half_way()

    assert numbers(spool) == []


def test_listeners_are_not_called_when_the_transaction_fails(spool):
    calls = []
    spool.events.on_append(lambda: calls.append("append"))
    spool.intake.on_event(lambda event_type, _at, count: calls.append((event_type, count)))

    def fail_at_the_end():
        with spool.begin() as tx:
            spool.intake.take_reported(tx, [make_event(1)])
            raise ValueError("at the end")

    with pytest.raises(ValueError, match="at the end"):
        fail_at_the_end()
    assert calls == []

    take(spool, [1])
    assert calls == ["append", ("sent", 1)]


def test_nothing_taken_is_lost_when_the_process_is_killed(tmp_path, make_spool):
    """A child takes events one by one and prints each number; it is killed in the middle."""
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from agent.config import Events, Spool as Settings
        from agent.spool import Spool
        from tests.agent_fixtures import take
        spool = Spool(Path(sys.argv[1]), Settings(min_free_bytes=0), Events())
        spool.open()
        for number in range(1_000_000):
            take(spool, [number])
            print(number, flush=True)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        acknowledged = [int(child.stdout.readline()) for _ in range(200)]
        os.kill(child.pid, signal.SIGKILL)
        acknowledged += [int(line) for line in child.stdout.read().splitlines()]

    stored = numbers(make_spool())

    assert stored[: len(acknowledged)] == acknowledged
    # The one in the middle of which it was killed may be there too, whole.
    assert len(stored) - len(acknowledged) in (0, 1)


@pytest.mark.parametrize(
    "damage", [b"this is not a database, although it is a file" * 200, b"\x00" * 50]
)
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(make_spool, tmp_path, caplog, damage):
    (tmp_path / "spool.db").write_bytes(damage)

    spool = make_spool()
    take(spool, [1])

    assert numbers(spool) == [1]
    (aside,) = tmp_path.glob("spool.db.damaged-*")
    assert aside.read_bytes() == damage
    assert "set aside" in caplog.text


def test_a_file_damaged_while_it_is_used_fails_one_call_and_then_works(make_spool, tmp_path):
    spool = make_spool()
    take(spool, range(2000))
    before = spool.events.peek(max_count=1, max_bytes=MIB)
    with spool._database._lock:
        spool._database._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with (tmp_path / "spool.db").open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(40 * 4096))
        spool._database._connection.execute("PRAGMA shrink_memory")

    def use_all_of_it():
        for number in range(100):
            take(spool, [5000 + number])
            spool.events.peek(max_count=5000, max_bytes=MIB)

    with pytest.raises(SpoolError):
        use_all_of_it()
    take(spool, [1])

    assert numbers(spool)[-1] == 1
    # What was peeked from the old file must not delete by its numbers from the new one.
    spool.events.ack(Batch(before.epoch, 1, [b""] * 100))
    assert numbers(spool)[-1] == 1


def test_only_the_last_damaged_files_are_kept(make_spool, tmp_path):
    for _ in range(4):
        (tmp_path / "spool.db").write_bytes(b"not a database at all, by any means" * 10)
        make_spool().close()

    assert len(list(tmp_path.glob("spool.db.damaged-*"))) == 2


def test_a_file_of_another_layout_is_left_alone(make_spool, tmp_path):
    make_spool().close()
    with sqlite3.connect(tmp_path / "spool.db") as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()

    with pytest.raises(SpoolError, match="another version"):
        make_spool()


def test_two_agents_cannot_share_a_state_directory(tmp_path):
    first, second = InstanceLock(tmp_path), InstanceLock(tmp_path)
    first.acquire()

    with pytest.raises(AlreadyRunning, match=str(os.getpid())):
        second.acquire()

    first.release()
    second.acquire()
    second.release()
