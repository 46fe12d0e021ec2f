"""From the inbox to the tables, with the real Redis and TimescaleDB."""

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg2
import pytest
from django.db import OperationalError, connection
from django.test import override_settings

from server.ingest import writer
from server.ingest.inbox import EVENTS, Entry
from server.ingest.models import DeadLetter
from tests.factories import stored_events

pytestmark = pytest.mark.usefixtures("committing_database")


def count_events():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(events), 0) FROM email_stats_1m WHERE dimension = 'all'"
        )
        return cursor.fetchone()[0]


def test_what_was_accepted_is_stored_counted_and_forgotten(post, event):
    post("events/ingest", [event() for _ in range(5)])

    assert writer.drain_events() is False

    assert (len(stored_events()), count_events(), EVENTS.length()) == (5, 5, 0)


def test_an_event_sent_again_is_stored_once(post, event):
    same = [event()]
    post("events/ingest", same)
    writer.drain_events()
    post("events/ingest", same)
    writer.drain_events()

    assert (len(stored_events()), count_events()) == (1, 1)


def test_entries_of_a_writer_that_died_are_claimed_by_the_next(post, event):
    post("events/ingest", [event()])
    EVENTS.read("dead-writer", count=10, block_ms=None)  # taken, never acknowledged

    with override_settings(WRITER_CLAIM_AFTER_MS=0):
        writer.drain_events()

    assert (len(stored_events()), EVENTS.length()) == (1, 0)


def test_all_that_a_dead_writer_took_is_stored_at_once_however_much_it_is(post, event, settings):
    """The crash harness found 2.5 million events that came back a hundred entries a second."""
    settings.WRITER_CLAIM_AFTER_MS, settings.WRITER_MAX_EVENTS = 0, 150
    for _ in range(350):
        post("events/ingest", event())
    EVENTS.read("dead-writer", count=350, block_ms=None)
    post("events/ingest", event())  # what came since does not wait for it

    is_over = not writer.drain_events()

    assert (is_over, len(stored_events()), EVENTS.length()) == (True, 351, 0)


def test_a_writer_killed_after_its_commit_counts_nothing_twice(post, event):
    post("events/ingest", [event()])
    rows = EVENTS.read("dead-writer", count=10, block_ms=None)
    writer.store_events([row.entry for row in rows])  # committed, not acknowledged

    with override_settings(WRITER_CLAIM_AFTER_MS=0):
        writer.drain_events()

    assert (len(stored_events()), count_events(), EVENTS.length()) == (1, 1, 0)


def test_a_line_postgresql_refuses_becomes_a_dead_letter_and_the_others_are_stored(post, event):
    post("events/ingest", [event() for _ in range(6)])
    (waiting,) = EVENTS.read("test", count=1, block_ms=None)
    entry = waiting.entry
    lines = entry.payload.split(b"\n")
    lines[3] = lines[3].replace(b"mta-01", b"mta-01\tone field too many")
    poisoned = Entry(entry.node, entry.received_at, entry.count, b"\n".join(lines))
    EVENTS.acknowledge([waiting])
    EVENTS.append(poisoned)
    post("events/ingest", [event()])

    writer.drain_events()

    assert (len(stored_events()), count_events(), EVENTS.length()) == (6, 6, 0)
    dead_letter = DeadLetter.objects.get()
    assert "extra data" in dead_letter.reason
    assert "one field too many" in dead_letter.payload


def test_a_lost_consumer_group_loses_no_entry(post, event):
    post("events/ingest", [event()])
    writer.drain_events()
    EVENTS.client.xgroup_destroy(EVENTS.stream, "writers")
    post("events/ingest", [event()])

    writer.drain_events()

    assert (len(stored_events()), EVENTS.length()) == (2, 0)


@contextlib.contextmanager
def database_away():
    """Close the tests' database to everybody, and cut the connections there are."""
    name = connection.settings_dict["NAME"]
    connection.close()
    with contextlib.closing(psycopg2.connect(os.environ["DATABASE_URL"])) as other:
        other.autocommit = True
        with other.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            try:
                yield
            finally:
                cursor.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def test_while_the_database_is_away_nothing_is_forgotten(post, event, monkeypatch):
    monkeypatch.setattr(writer, "RETRY_AFTER_S", (0.0,))
    post("events/ingest", [event()])

    with database_away(), pytest.raises(OperationalError):
        writer.drain_events()

    assert EVENTS.length() == 1
    with override_settings(WRITER_CLAIM_AFTER_MS=0):
        writer.drain_events()
    assert (len(stored_events()), EVENTS.length()) == (1, 0)


def test_while_the_database_is_away_batches_of_known_keys_are_still_taken(post, event):
    post("events/ingest", [event()])

    with database_away():
        known = post("events/ingest", [event()])
        unknown = post("events/ingest", [event()], key="mlrd_000000000000_00")
        node = post("nodes", {"node_id": "mta-01", "hostname": "mta-01"})

    assert (known.status_code, unknown.status_code, node.status_code) == (202, 503, 503)
    assert int(unknown["Retry-After"]) > 0
    writer.drain_events()
    assert len(stored_events()) == 2


@override_settings(WRITER_MAX_EVENTS=10)
def test_a_transaction_is_bounded_in_events_however_large_the_batches_are(post, event, monkeypatch):
    sizes = []
    store = writer.write_events
    monkeypatch.setattr(
        writer, "write_events", lambda lines, n: sizes.append(len(lines)) or store(lines, n)
    )
    for _ in range(8):
        post("events/ingest", [event() for _ in range(7)])

    writer.drain_events()

    assert (len(stored_events()), sum(sizes)) == (56, 56)
    assert max(sizes) < 10 + 7


def test_two_writers_that_accept_one_event_at_once_store_it_once(post, event):
    """The plugin's and the stream's copy carry different times, so the unique key cannot help."""
    copies = [event(event_id=str(uuid4())) for _ in range(200)]
    later = datetime.now(UTC) + timedelta(seconds=5)
    others = [copy | {"occurred_at": later.isoformat()} for copy in copies]
    post("events/ingest", copies)
    post("events/ingest", others)
    batches = EVENTS.read("test", count=10, block_ms=None)
    start = threading.Barrier(len(batches))

    def write(entry: Entry) -> None:
        start.wait()
        writer.store_events([entry])
        connection.close()

    with ThreadPoolExecutor(len(batches)) as pool:
        list(pool.map(write, [batch.entry for batch in batches]))

    assert (len(stored_events()), count_events()) == (200, 200)


def test_a_cut_connection_is_mended_in_place(post, event, monkeypatch):
    monkeypatch.setattr(writer, "RETRY_AFTER_S", (0.0,))
    post("events/ingest", [event()])
    with contextlib.closing(psycopg2.connect(os.environ["DATABASE_URL"])) as other:
        other.cursor().execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            " AND usename = current_user",
            [connection.settings_dict["NAME"]],
        )

    writer.drain_events()

    assert (len(stored_events()), EVENTS.length()) == (1, 0)


@override_settings(WRITER_MAX_EVENTS=10)
def test_a_writer_that_cannot_keep_up_calls_another_once_in_a_while(post, event):
    calls = []
    for _ in range(4):
        post("events/ingest", [event() for _ in range(10)])

    writer.drain_events(wake_second_writer=lambda: calls.append(1))

    assert (len(calls), len(stored_events())) == (1, 40)


def test_a_writer_that_keeps_up_calls_nobody(post, event):
    calls = []
    post("events/ingest", [event()])

    writer.drain_events(wake_second_writer=lambda: calls.append(1))

    assert calls == []
