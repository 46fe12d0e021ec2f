"""No entry is stranded: who wakes the writer, and who looks after it."""

import dramatiq
import pytest

from server.ingest import writer
from server.ingest.inbox import EVENTS
from server.ingest.sweeper import sweep

pytestmark = pytest.mark.usefixtures("committed")


def woken() -> int:
    return dramatiq.get_broker().queues["events"].qsize()


def test_many_posts_wake_one_writer(post, event):
    for _ in range(5):
        post("events/ingest", event())

    assert woken() == 1


def test_after_the_writer_went_to_sleep_the_next_post_wakes_it_again(post, event):
    post("events/ingest", event())
    writer.drain_events()
    post("events/ingest", event())

    assert woken() == 2


def test_the_sweeper_wakes_a_writer_when_the_wake_up_was_lost(post, event):
    post("events/ingest", event())
    dramatiq.get_broker().flush_all()
    EVENTS.fall_asleep()  # what its expiry does two seconds after the writer died

    sweep(dramatiq.get_broker())

    assert woken() == 1


def test_the_sweeper_leaves_an_empty_inbox_alone(post):
    sweep(dramatiq.get_broker())

    assert woken() == 0


def test_while_a_writer_is_at_work_the_sweeper_wakes_no_other(post, event):
    post("events/ingest", event())
    EVENTS.keep_awake()

    sweep(dramatiq.get_broker())

    assert woken() == 1
