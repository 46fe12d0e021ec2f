from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import ProgrammingError, connection, transaction
from django.test import Client, override_settings
from django.utils import timezone

from server.ingest import metrics, writer
from server.ingest.inbox import EVENTS, SAMPLES, Entry
from server.ingest.models import DeadLetter
from server.timescale.actors import run_housekeeping
from tests.factories import stored_events

pytestmark = pytest.mark.usefixtures("committing_database")
LIST = "/admin/ingest/deadletter/"


@pytest.fixture
def dead_letters(post, event):
    """Two events as dead letters."""
    post("events/ingest", [event(), event(status_message="<script>alert(1)</script>")])
    (waiting,) = EVENTS.read("test", count=1, block_ms=None)
    EVENTS.acknowledge([waiting])
    return [
        DeadLetter.objects.create(kind="events", node="mta-01", reason="disk", payload=line)
        for line in waiting.entry.payload.decode().split("\n")
    ]


def act(client: Client, action: str, dead_letters: list[DeadLetter]) -> str:
    form = {"action": action, "_selected_action": [dead_letter.pk for dead_letter in dead_letters]}
    return client.post(LIST, form, follow=True).content.decode()


def test_retried_dead_letters_are_stored_and_gone_and_the_log_names_the_person(
    admin_client, dead_letters
):
    page = act(admin_client, "retry", dead_letters)
    writer.drain_events()

    assert "2 dead letters handed to the writer" in page
    assert (len(stored_events()), DeadLetter.objects.count()) == (2, 0)
    assert set(LogEntry.objects.values_list("user__username", "change_message")) == {
        ("admin", "Retried.")
    }


def test_discarded_dead_letters_are_gone_and_the_log_names_the_person(admin_client, dead_letters):
    act(admin_client, "discard", dead_letters)

    assert (len(stored_events()), DeadLetter.objects.count()) == (0, 0)
    assert LogEntry.objects.count() == 2


def test_with_a_full_inbox_a_dead_letter_stays(admin_client, dead_letters):
    with override_settings(INBOX_MAX_ENTRIES=0):
        page = act(admin_client, "retry", dead_letters)

    assert "Not all were retried" in page
    assert DeadLetter.objects.count() == 2


def test_the_payload_is_shown_by_field_and_escaped(admin_client, dead_letters):
    page = admin_client.get(f"{LIST}{dead_letters[1].pk}/change/").content.decode()

    assert "<b>status_message</b>" in page
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_dead_letters_are_found_by_their_content(admin_client, dead_letters):
    page = admin_client.get(LIST, {"q": "alert(1)"}).content.decode()

    assert "1 dead letter" in page


@pytest.fixture
def append_bad(post, event):
    """Accept a batch of which so many lines cannot be stored, behind one that can."""

    def append(count: int, *, text: str = "bad") -> None:
        post("events/ingest", [event()])
        (waiting,) = EVENTS.read("test", count=1, block_ms=None)
        EVENTS.acknowledge([waiting])
        good = waiting.entry.payload
        lines = [good, *(good + f"\t{text} {n}".encode() for n in range(count))]
        EVENTS.append(Entry("mta-01", waiting.entry.received_at, len(lines), b"\n".join(lines)))

    return append


def test_a_batch_refused_line_by_line_goes_on_where_the_last_writer_came_to(
    append_bad, post, event, monkeypatch
):
    monkeypatch.setattr(writer, "MAX_APART_S", 0.0)  # one line for each writer
    monkeypatch.setattr(writer, "IDLE_MS", 1)
    append_bad(40)
    post("events/ingest", [event()])

    first_is_over = not writer.drain_events()
    stored_by_the_first = len(stored_events()), DeadLetter.objects.count()
    steps = 1
    while writer.drain_events():
        steps += 1

    assert (first_is_over, stored_by_the_first) == (False, (2, 0))  # the other, and one of these
    assert (len(stored_events()), DeadLetter.objects.count()) == (2, 40)
    assert steps <= 41
    assert (EVENTS.length(), EVENTS.apart.length()) == (0, 0)


def test_a_writer_that_dies_over_a_refused_batch_leaves_it_to_the_next(append_bad, monkeypatch):
    monkeypatch.setattr(writer, "MAX_APART_S", 0.0)
    monkeypatch.setattr(writer, "IDLE_MS", 1)
    append_bad(6)
    writer.drain_events()
    EVENTS.apart.read("dead-writer", count=1, block_ms=None)

    with override_settings(WRITER_CLAIM_AFTER_MS=0):
        while writer.drain_events():
            pass

    assert (len(stored_events()), DeadLetter.objects.count()) == (1, 6)


def test_a_line_that_is_refused_twice_is_one_dead_letter(empty_redis):
    for _ in range(2):
        EVENTS.append(Entry("mta-01", timezone.now().timestamp(), 1, b"no event at all"))
        writer.drain_events()

    assert DeadLetter.objects.get().payload == "no event at all"


def test_a_dead_letter_that_is_refused_again_stays(admin_client, empty_redis):
    EVENTS.append(Entry("mta-01", timezone.now().timestamp(), 1, b"no event at all"))
    writer.drain_events()

    act(admin_client, "retry", list(DeadLetter.objects.all()))
    assert DeadLetter.objects.count() == 0
    writer.drain_events()

    assert DeadLetter.objects.get().payload == "no event at all"


def test_dead_letters_are_bounded_and_the_oldest_given_up_and_counted(append_bad, settings):
    settings.DEAD_LETTERS_MAX = 5

    append_bad(8)
    while writer.drain_events():
        pass

    values = {metric.name: metric.value for metric in metrics.dead_letters()}
    assert values == {"mallard_dead_letters": 5, "mallard_dead_letters_given_up_total": 3}


def test_dead_letters_past_their_retention_are_deleted(dead_letters, settings):
    old, young = dead_letters
    days = timedelta(days=settings.DEAD_LETTERS_RETENTION_DAYS)
    for letter, age in ((old, days + timedelta(minutes=1)), (young, days - timedelta(hours=1))):
        DeadLetter.objects.filter(pk=letter.pk).update(created_at=timezone.now() - age)

    run_housekeeping()

    assert DeadLetter.objects.get() == young


def test_what_postgresql_cannot_even_keep_as_text_becomes_a_dead_letter_all_the_same(empty_redis):
    EVENTS.append(Entry("mta-01", timezone.now().timestamp(), 1, b"a\0b"))
    writer.drain_events()

    assert DeadLetter.objects.get().payload == "a\N{REPLACEMENT CHARACTER}b"


def test_a_sample_of_a_kind_that_this_version_does_not_know_is_a_dead_letter(empty_redis):
    SAMPLES.append(Entry("mta-01", timezone.now().timestamp(), 1, b"toaster {}"))

    assert writer.drain_samples() is False

    assert DeadLetter.objects.get().kind == "samples"


def store_by(statement: str):
    def store(entries):
        with connection.cursor() as cursor:
            cursor.execute(statement)

    return store


def test_a_fault_of_the_database_is_no_fault_of_a_batch(post, event):
    """As between the start of a new version and its migrations."""
    post("events/ingest", [event()])

    with pytest.raises(ProgrammingError):
        writer.drain(EVENTS, store_by("SELECT no_such_column FROM nodes_node"))

    assert (EVENTS.length(), EVENTS.apart.length(), DeadLetter.objects.count()) == (1, 0, 0)


def test_what_is_too_large_for_postgresql_does_not_hold_the_others(post, event, monkeypatch):
    monkeypatch.setattr(writer, "RETRY_AFTER_S", (0.0,))
    post("events/ingest", [event()])

    writer.drain(EVENTS, store_by("SELECT repeat('x', 2000000000)"))

    assert (EVENTS.length(), DeadLetter.objects.count()) == (0, 1)


def test_a_batch_that_takes_too_long_is_halved_until_its_parts_do_not(monkeypatch, empty_redis):
    monkeypatch.setattr(writer, "MAX_APART_S", 0.0)  # each writer makes one step
    monkeypatch.setattr(writer, "IDLE_MS", 1)
    lines = [b"%d" % n for n in range(16)]
    stored: list[bytes] = []
    sizes: list[int] = []

    def store(entries):
        (entry,) = entries
        sizes.append(entry.count)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '50 ms'")
            cursor.execute("SELECT pg_sleep(%s)", [60 if entry.count > 4 else 0])
        stored.extend(entry.payload.split(b"\n"))

    EVENTS.append(Entry("mta-01", timezone.now().timestamp(), len(lines), b"\n".join(lines)))
    while writer.drain(EVENTS, store):
        pass

    assert sorted(stored, key=int) == lines
    assert sizes.count(16) == 2  # beside the others, and apart
    assert (EVENTS.apart.length(), DeadLetter.objects.count()) == (0, 0)
