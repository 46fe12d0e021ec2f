"""No entry is stranded: who wakes the writer, and who looks after it."""

from concurrent.futures import ThreadPoolExecutor

import dramatiq
import msgspec
import pytest

from server.ingest import writer
from server.ingest.errors import InboxFull
from server.ingest.inbox import EVENTS, Entry
from server.ingest.sweeper import sweep

pytestmark = pytest.mark.usefixtures("committing_database", "empty_redis")


def woken() -> int:
    return dramatiq.get_broker().queues["events"].qsize()


def test_many_posts_wake_one_writer(post, event):
    for _ in range(5):
        post("events/ingest", event())

    assert woken() == 1


def test_of_many_appends_at_the_same_moment_each_is_there_and_one_wakes_a_writer():
    entry = Entry(node="mta-01", received_at=0.0, count=1, payload=b"a line")
    with ThreadPoolExecutor(8) as pool:
        wakes = list(pool.map(lambda _: EVENTS.append(entry), range(200)))

    assert EVENTS.length() == 200
    assert EVENTS.size_bytes() == 200 * len(msgspec.msgpack.encode(entry))
    assert sum(wakes) == 1


def test_what_does_not_fit_is_refused_also_among_appends_at_the_same_moment(settings):
    settings.INBOX_MAX_ENTRIES = 50
    entry = Entry(node="mta-01", received_at=0.0, count=1, payload=b"a line")

    def is_taken(_: int) -> bool:
        try:
            EVENTS.append(entry)
        except InboxFull:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(is_taken, range(80)))

    assert sum(taken) == EVENTS.length() == 50


def test_after_the_writer_went_to_sleep_the_next_post_wakes_it_again(post, event):
    post("events/ingest", event())
    writer.drain_events()
    post("events/ingest", event())

    assert woken() == 2


def test_the_sweeper_wakes_a_writer_when_the_wake_up_was_lost(post, event):
    post("events/ingest", event())
    dramatiq.get_broker().flush_all()
    EVENTS.mark_idle()  # what its expiry does two seconds after the writer died

    sweep(dramatiq.get_broker())

    assert woken() == 1


def test_the_sweeper_leaves_an_empty_inbox_alone(post):
    sweep(dramatiq.get_broker())

    assert woken() == 0


def test_while_a_writer_is_at_work_the_sweeper_wakes_no_other(post, event):
    post("events/ingest", event())
    EVENTS.renew_wakeup()

    sweep(dramatiq.get_broker())

    assert woken() == 1
