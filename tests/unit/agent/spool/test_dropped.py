"""What will never be sent is known by its numbers, however the agent ends."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.spool import dropped as module
from agent.spool import read_summary
from agent.spool.database import ADDED, SCHEMA, counter
from agent.spool.dropped import declare, declared, forget
from agent.spool.plugins import MOST_PROCESSES, Told, heard, told
from tests.unit.agent.spool.test_spool import MIB, Accepted, reported, take

BODY = b'{"padding":"%s"}' % (b"x" * 10_000)


@pytest.fixture
def connection():
    opened = sqlite3.connect(":memory:", isolation_level=None)
    opened.executescript(SCHEMA + ADDED)
    yield opened
    opened.close()


def peek(spool):
    return spool.events.peek(max_count=10_000, max_bytes=100 * MIB)


def fill(spool, count):
    for number in range(count):
        spool.take_reported([Accepted(reported(number).event, BODY)])


def test_ranges_that_touch_become_one_and_others_stay_apart(connection):
    for first, last in [(1, 5), (6, 6), (10, 12), (8, 8), (7, 7), (20, 20)]:
        declare(connection, first, last)

    assert declared(connection) == ((1, 8), (10, 12), (20, 20))


def test_beyond_the_bound_the_oldest_ranges_go_and_are_counted(connection, monkeypatch):
    monkeypatch.setattr(module, "MOST_RANGES", 3)
    for first in (1, 11, 21, 31, 41):
        declare(connection, first, first + 1)

    assert declared(connection) == ((21, 22), (31, 32), (41, 42))
    assert counter(connection, "events.dropped_untold") == 4


def test_a_range_that_grew_while_it_was_told_keeps_what_is_new(connection):
    declare(connection, 5, 9)
    sent = declared(connection)
    declare(connection, 10, 14)
    declare(connection, 3, 4)

    forget(connection, sent)

    assert declared(connection) == ((3, 4), (10, 14))


numbers = st.integers(1, 60)
spans = st.lists(st.tuples(numbers, numbers).map(lambda pair: (min(pair), max(pair))), max_size=12)


@given(dropped=spans, sent=spans)
def test_what_is_declared_and_not_told_is_exactly_what_stays(dropped, sent):
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(ADDED)
    for first, last in dropped:
        declare(connection, first, last)
    forget(connection, sent)

    def points(ranges):
        return {n for first, last in ranges for n in range(first, last + 1)}

    kept = declared(connection)
    assert points(kept) == points(dropped) - points(sent)
    assert all(a[1] + 1 < b[0] for a, b in pairwise(kept))
    connection.close()


def test_a_full_spool_declares_what_it_dropped_in_one_range(make_spool):
    spool = make_spool(max_event_bytes=MIB)

    fill(spool, 150)

    batch = peek(spool)
    assert batch.first_seq > 1
    assert batch.dropped == ((1, batch.first_seq - 1),)


def test_what_is_set_aside_is_declared_and_an_empty_spool_still_tells(spool):
    take(spool, range(3))
    spool.events.set_aside(peek(spool), "400: not JSON")

    batch = peek(spool)
    assert (batch.bodies, batch.first_seq, batch.dropped) == ([], 4, ((1, 3),))

    spool.events.ack(batch)
    assert peek(spool) is None
    take(spool, [7])
    assert peek(spool).first_seq == 4


def test_samples_have_no_numbers_to_declare(spool):
    spool.append_sample(b"{}")
    spool.samples.set_aside(spool.samples.peek(max_count=1, max_bytes=MIB), "400")

    assert spool.samples.peek(max_count=1, max_bytes=MIB) is None
    assert peek(spool) is None


def test_drops_are_known_after_kill_9(make_spool, tmp_path):
    """A child drops and is killed; what it dropped and what it kept make up all it was given."""
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from agent.config import Events, Spool as Settings
        from agent.spool import Spool
        from tests.unit.agent.spool.test_dropped import BODY, Accepted, reported
        settings = Settings(min_free_bytes=0, max_event_bytes=1024**2)
        spool = Spool(Path(sys.argv[1]), settings, Events())
        spool.open()
        for number in range(1_000_000):
            spool.take_reported([Accepted(reported(number).event, BODY)])
            print(number, flush=True)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        for _ in range(200):
            child.stdout.readline()
        os.kill(child.pid, signal.SIGKILL)
        child.stdout.read()

    batch = peek(make_spool())

    ((first, last),) = batch.dropped
    assert first == 1
    assert last == batch.first_seq - 1 > 0
    assert batch.last_seq >= 200


def test_an_older_file_gets_the_new_tables_and_is_shown_before_that(make_spool, tmp_path):
    make_spool().close()
    with sqlite3.connect(tmp_path / "spool.db") as connection:
        connection.execute("DROP TABLE dropped")
        connection.execute("DROP TABLE plugin_processes")
    connection.close()

    assert read_summary(tmp_path)["events"]["dropped_ranges_to_tell"] == 0
    spool = make_spool()
    take(spool, [1])

    assert peek(spool).dropped == ()


def test_what_a_plugin_dropped_is_counted_once_over_restarts_of_both(make_spool, tmp_path):
    spool = make_spool()
    for number in (0, 3, 3, 5):
        spool.take_reported([], told=Told("sender/default/79", number))
    spool.close()
    spool = make_spool()
    spool.take_reported([], told=Told("sender/default/79", 6))
    spool.take_reported([], told=Told("main/1", 2))
    spool.take_reported([], told=Told("main/1", 1))  # began anew, dropped one since

    shown = read_summary(tmp_path)["plugin"]
    assert shown["dropped"] == 6 + 2 + 1
    assert shown["processes_count"] == 2
    assert shown["heard_at"]


def test_the_memory_of_plugin_processes_is_bounded(connection):
    for number in range(MOST_PROCESSES + 20):
        heard(connection, Told(f"main/{number}", 1), number)

    (count,) = connection.execute("SELECT count(*) FROM plugin_processes").fetchone()
    assert count == MOST_PROCESSES
    assert counter(connection, "plugin.dropped") == MOST_PROCESSES + 20


@pytest.mark.parametrize(
    ("process", "dropped", "expected"),
    [
        ("main/77", "5", Told("main/77", 5)),
        ("main/77", None, Told("main/77", 0)),
        ("main/77", "-3", Told("main/77", 0)),
        ("main/77", "lots", Told("main/77", 0)),
        ("main/77", "9" * 5000, Told("main/77", 2**53)),
        ("x" * 300, "1", Told("x" * 100, 1)),
        (None, "5", None),
        ("  ", "5", None),
    ],
)
def test_the_headers_of_a_plugin_are_taken_within_bounds(process, dropped, expected):
    assert told(process, dropped) == expected


def test_a_damaged_file_declares_nothing_of_the_old_numbers(make_spool, tmp_path):
    spool = make_spool(max_event_bytes=MIB)
    fill(spool, 150)
    before = peek(spool)
    spool.close()
    (tmp_path / "spool.db").write_bytes(b"not a database" * 1000)

    spool = make_spool(max_event_bytes=MIB)
    spool.events.ack(before)
    spool.events.set_aside(before, "400")

    assert peek(spool) is None
    assert json.loads(json.dumps(read_summary(tmp_path)))["events"]["dropped"] == 0
