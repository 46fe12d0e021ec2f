"""Numbers of events that will never be sent, known however the agent ends."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing, contextmanager
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.spool import Accepted, Transaction, read_summary
from agent.spool import retention as module
from agent.spool.retention import forget_dropped, read_dropped, record_dropped
from agent.spool.schema import LATER_TABLES, TABLES
from tests.agent_fixtures import MIB, make_event, take, take_reported

BODY = b'{"padding":"%s"}' % (b"x" * 10_000)


@contextmanager
def in_memory():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(TABLES + LATER_TABLES)
        yield Transaction(connection)


@pytest.fixture
def tx():
    with in_memory() as opened:
        yield opened


def peek(spool):
    return spool.events.peek(max_count=10_000, max_bytes=100 * MIB)


def fill(spool, count):
    for number in range(count):
        take_reported(spool, [Accepted(make_event(number).event, BODY)])


def test_ranges_that_touch_become_one_and_others_stay_apart(tx):
    for first, last in [(1, 5), (6, 6), (10, 12), (8, 8), (7, 7), (20, 20)]:
        record_dropped(tx, first, last)

    assert read_dropped(tx) == ((1, 8), (10, 12), (20, 20))


def test_beyond_the_bound_the_oldest_ranges_go_and_are_counted(tx, monkeypatch):
    monkeypatch.setattr(module, "MAX_RANGES", 3)
    for first in (1, 11, 21, 31, 41):
        record_dropped(tx, first, first + 1)

    assert read_dropped(tx) == ((21, 22), (31, 32), (41, 42))
    assert tx.counter("events.dropped_untold") == 4


def test_a_range_that_grew_while_it_was_sent_keeps_its_new_numbers(tx):
    record_dropped(tx, 5, 9)
    sent = read_dropped(tx)
    record_dropped(tx, 10, 14)
    record_dropped(tx, 3, 4)

    forget_dropped(tx, sent)

    assert read_dropped(tx) == ((3, 4), (10, 14))


numbers = st.integers(1, 60)
spans = st.lists(st.tuples(numbers, numbers).map(lambda pair: (min(pair), max(pair))), max_size=12)


@given(dropped=spans, sent=spans)
def test_exactly_the_recorded_numbers_that_were_not_sent_stay(dropped, sent):
    with in_memory() as tx:
        for first, last in dropped:
            record_dropped(tx, first, last)
        forget_dropped(tx, sent)
        left = read_dropped(tx)

    def points(ranges):
        return {n for first, last in ranges for n in range(first, last + 1)}

    assert points(left) == points(dropped) - points(sent)
    assert all(a[1] + 1 < b[0] for a, b in pairwise(left))


def test_a_full_spool_records_its_drops_in_one_range(make_spool):
    spool = make_spool(max_event_bytes=MIB)

    fill(spool, 150)

    batch = peek(spool)
    assert batch.first_seq > 1
    assert batch.dropped == ((1, batch.first_seq - 1),)


def test_set_aside_items_are_recorded_and_an_empty_spool_still_reports_them(spool):
    take(spool, range(3))
    spool.events.set_aside(peek(spool), "400: not JSON")

    batch = peek(spool)
    assert (batch.bodies, batch.first_seq, batch.dropped) == ([], 4, ((1, 3),))

    spool.events.ack(batch)
    assert peek(spool) is None
    take(spool, [7])
    assert peek(spool).first_seq == 4


def test_samples_have_no_numbers_to_record(spool):
    spool.append_sample(b"{}")
    spool.samples.set_aside(spool.samples.peek(max_count=1, max_bytes=MIB), "400")

    assert spool.samples.peek(max_count=1, max_bytes=MIB) is None
    assert peek(spool) is None


def test_drops_are_known_after_kill_9(make_spool, tmp_path):
    """A child drops and is killed; dropped and stored events make up all it was given."""
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from agent.config import Events, Spool as Settings
        from agent.spool import Accepted, Spool
        from tests.agent_fixtures import make_event, take_reported
        BODY = b'{"padding":"%s"}' % (b"x" * 10_000)
        settings = Settings(min_free_bytes=0, max_event_bytes=1024**2)
        spool = Spool(Path(sys.argv[1]), settings, Events())
        spool.open()
        for number in range(1_000_000):
            take_reported(spool, [Accepted(make_event(number).event, BODY)])
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


def test_a_damaged_file_records_nothing_of_the_old_numbers(make_spool, tmp_path):
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
