import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client, override_settings

from server.ingest import writer
from server.ingest.inbox import EVENTS
from server.ingest.models import DeadLetter
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
