"""The story of one message: what is looked up, the API, and the page."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agent.events.wildduck import MailboxStream
from server.accounts.roles import Role
from server.metrics.models import AgentSample
from server.nodes.models import ApiKey, Node
from server.trace import queries
from server.trace.identifiers import parse_identifier
from tests.factories import client_of, row, write
from tests.page import Page

pytestmark = pytest.mark.django_db
HARAKA = "5C6E9D2C-6D1F-4B6A-9C43-0A1B2C3D4E5F.1"
STORED = "65a1b2c3d4e5f60718293a4b"
QUEUE_ID, FORWARD_ID = "1a1fd92f960000a951", "1a1fd92f960000a952"
MESSAGE_ID = "<1@there.example>"
HOSTILE = '550 <script>alert("reply")</script> no'
#: Session and role, totals and the bell of each page; three lookups of a trace and its settings.
PAGE_QUERIES = 16


def event(event_type, direction="outbound", *, s=0.0, **fields):
    at = timezone.now() - timedelta(minutes=5) + timedelta(seconds=s)
    same = {"event_type": event_type, "direction": direction, "message_id": MESSAGE_ID}
    return row(occurred_at=at, **same | fields)


@pytest.fixture
def forwarded_mail():
    """Mail that came in, was stored and forwarded; other mail beside it."""
    inbound = {"queue_id": HARAKA, "to_address": "user@here.example", "mta_node": "mx-01",
               "to_domain": "here.example", "source": "haraka_plugin"}  # fmt: skip
    forward = {"queue_id": FORWARD_ID, "parent_id": STORED, "to_address": "other@good.example"}
    rows = [
        event("received", "inbound", **inbound),
        event("delivered", "inbound", s=1, **inbound | {"spam_action": "no action"}),
        event("stored", "mailbox", s=1.5, **inbound | {"source": "gelf"}, wildduck_id=STORED,
              mailbox="INBOX"),
        event("sent", s=2, **forward, origin="forward"),
        event("deferred", s=3, **forward, attempt=1, status_message=HOSTILE),
    ]  # fmt: skip
    write(*rows, row(queue_id="1a1fd92f960000a999", message_id="<2@x>"))
    return rows


@pytest.mark.parametrize(
    "identifier", [MESSAGE_ID, "1@there.example", HARAKA, STORED, FORWARD_ID, f"{FORWARD_ID}.001"]
)
def test_the_same_story_is_found_by_any_id(forwarded_mail, admin_client, identifier):
    reply = admin_client.get("/api/v1/trace", {"id": identifier})

    assert reply.status_code == 200, reply.content
    story = reply.json()
    assert [(each["queue_id"], each["depth"], each["cause"]) for each in story["messages"]] == [
        (HARAKA, 0, ""),
        (FORWARD_ID, 1, "forward"),
    ]
    inbound, forward = story["messages"]
    steps = inbound["recipients"][0]["steps"]
    assert [each["event_type"] for each in steps] == ["received", "delivered", "stored"]
    assert forward["cause_event_id"] == steps[-1]["event_id"]
    assert forward["recipients"][0]["ending"]["state"] == "waiting"
    assert (story["text"], story["level"]) == ("Stored in INBOX", "ok")
    assert story["limits"] == []


def test_the_story_of_an_event_without_other_ids_is_that_event(admin_client):
    lonely = row(event_type="rejected", queue_id=None, message_id=None, occurred_at=timezone.now())
    write(lonely)

    story = admin_client.get("/api/v1/trace", {"id": str(lonely["event_id"])}).json()

    assert [s["event_id"] for s in story["messages"][0]["recipients"][0]["steps"]] == [
        str(lonely["event_id"])
    ]


def test_what_is_not_stored_is_not_found_and_what_is_no_id_is_refused(admin_client):
    assert admin_client.get("/api/v1/trace", {"id": QUEUE_ID}).status_code == 404
    reply = admin_client.get("/api/v1/trace", {"id": "greylist"})
    assert reply.status_code == 400
    assert "Not a Message-ID" in reply.json()["id"][0]


@pytest.mark.parametrize("days", [0, 10, 100])
def test_a_message_of_any_age_is_found(admin_client, days):
    at = timezone.now() - timedelta(days=days)
    write(
        row(event_type="sent", queue_id=QUEUE_ID, occurred_at=at - timedelta(days=2)),
        row(event_type="delivered", queue_id=QUEUE_ID, occurred_at=at - timedelta(hours=1)),
    )

    (message,) = admin_client.get("/api/v1/trace", {"id": QUEUE_ID}).json()["messages"]

    assert len(message["recipients"][0]["steps"]) == 2


def test_a_message_id_that_is_used_again_and_again_links_nothing(monkeypatch):
    monkeypatch.setattr(queries, "MAX_BY_MESSAGE_ID", 3)
    now = timezone.now()
    write(*(event("sent", queue_id=f"1a1fd92f960000b{n:03}") for n in range(9)))

    story = queries.trace(parse_identifier("1a1fd92f960000b000"), now)

    assert [each.queue_id for each in story.messages] == ["1a1fd92f960000b000"]
    assert "what it alone links is left out" in story.limits[0]


def test_a_message_with_many_recipients_is_bounded_and_one_of_them_can_be_named(monkeypatch):
    monkeypatch.setattr(queries, "MAX_EVENTS", 20)
    now = timezone.now()
    write(*(
        event(kind, queue_id=QUEUE_ID, s=s, to_address=f"r{n:03}@good.example")
        for n in range(50) for s, kind in enumerate(("sent", "delivered"))
    ))  # fmt: skip

    story = queries.trace(parse_identifier(QUEUE_ID), now)
    named = queries.trace(parse_identifier(QUEUE_ID), now, to_address="R049@good.example")

    assert sum(len(r.steps) for r in story.messages[0].recipients) == 20
    assert any("More than 20 events" in limit for limit in story.limits)
    assert [each.address for each in named.messages[0].recipients] == ["r049@good.example"]
    assert named.text == "Delivered"


def test_a_loop_and_a_chain_take_a_bounded_number_of_lookups(monkeypatch):
    now = timezone.now()
    ids = [f"1a1fd92f960000c{n:03}" for n in range(30)]
    write(*(
        event("sent", queue_id=ids[n], caused_queue_id=ids[(n + 1) % 30], s=n,
              message_id=None) for n in range(30)
    ))  # fmt: skip

    with CaptureQueriesContext(connection) as captured:
        story = queries.trace(parse_identifier(ids[0]), now)

    lookups = [each for each in captured.captured_queries if "FROM email_events" in each["sql"]]
    assert len(lookups) <= queries.MAX_ROUNDS + 2
    assert any("is not followed" in limit for limit in story.limits)


def test_only_the_days_around_a_message_are_looked_at(forwarded_mail):
    write(row(queue_id=QUEUE_ID, occurred_at=timezone.now() - timedelta(days=60)))
    with CaptureQueriesContext(connection) as captured:
        queries.trace(parse_identifier(FORWARD_ID), timezone.now())
    lookups = [each["sql"] for each in captured.captured_queries if "UNION ALL" in each["sql"]]

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {lookups[0]}")
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert len(set(re.findall(r"_hyper_\d+_\d+_chunk", plan))) == 1


def test_where_wildducks_doings_are_captured_is_read_from_the_agents(forwarded_mail):
    now = timezone.now()
    for name, source in (("mailbox-01", MailboxStream.name), ("mailbox-02", "gelf")):
        node = Node.objects.create(name=name, role="wildduck")
        sources = [{"name": source, "is_on": True, "interval_s": 30}]
        AgentSample.objects.create(
            node=node, time=now - timedelta(seconds=30), sources=sources, spool_bytes=1,
            spool_limit_bytes=2,
        )  # fmt: skip

    capture = queries.read_capture(now)

    assert (capture.nodes, capture.silent_nodes) == (("mailbox-01",), ("mailbox-02",))


def test_messages_between_two_addresses_are_offered(forwarded_mail, admin_client):
    query = {"to_address": "USER@here.example", "from_address": "alice@corp.example"}
    (message,) = admin_client.get("/api/v1/trace/messages", query).json()["messages"]

    assert message["id"] == HARAKA
    assert admin_client.get("/api/v1/trace/messages").status_code == 400


def test_a_trace_that_takes_too_long_is_given_up(forwarded_mail, admin_client, monkeypatch):
    monkeypatch.setattr(queries, "MAX_MS", 1)
    monkeypatch.setattr(queries, "_find_time", lambda *_: queries.fetch_rows("SELECT pg_sleep(1)"))

    assert admin_client.get("/api/v1/trace", {"id": QUEUE_ID}).status_code == 503
    page = admin_client.get("/trace/", {"id": QUEUE_ID}).content.decode()
    assert "took too long" in page


@pytest.mark.parametrize("path", ["/api/v1/trace", "/api/v1/trace/messages"])
def test_a_trace_is_read_by_those_who_may_read_events(forwarded_mail, client, path):
    key = ApiKey.issue(name="agent", scope="agent")[1]
    query = {"id": QUEUE_ID, "to_address": "a@b.example"}

    assert client.get(path, query).status_code == 401
    agent = client.get(path, query, headers={"Authorization": f"Bearer {key}"})
    assert agent.status_code == 403
    assert client_of(Role.VIEWER).get(path, query).status_code in {200, 404}


@pytest.fixture
def page(admin_client: Client):
    def get(**query):
        response = admin_client.get("/trace/", query, follow=True)
        assert response.status_code == 200, response
        return Page(response.content.decode())

    return get


def test_the_page_tells_the_story_with_its_branches(forwarded_mail, page):
    text = page(id=HARAKA)

    assert "Stored in INBOX" in text.text
    for part in ("Handed to WildDuck", "Rspamd: no action", "forward", "Waits for the next"):
        assert part in text.text
    assert text.text.index("Stored in INBOX") < text.text.index("Waits for the next attempt")
    assert f"/trace/?id={HARAKA}" in text.markup


def test_the_words_of_others_are_text_on_the_page(forwarded_mail, page):
    text = page(id=FORWARD_ID)

    assert "&lt;script&gt;alert" in text.source
    assert "<script>alert" not in text.source
    assert text.inline_handlers() == []


def test_an_unknown_id_and_a_text_that_is_none_are_explained(page):
    assert "No event of" in page(id=str(uuid4())).text
    assert "is no id of a message" in page(id='"><img src=x>').text
    assert "<img src=x>" not in page(id='"><img src=x>').source
    assert "Paste an id" in page().text


def test_sender_and_recipient_lead_to_the_only_message_or_to_a_choice(forwarded_mail, page):
    assert "Stored in INBOX" in page(to_address="user@here.example").text
    same = {"to_address": "user@here.example", "to_domain": "here.example"}
    at = timezone.now() - timedelta(hours=1)
    write(row(queue_id="1a1fd92f960000a777", occurred_at=at, **same))
    text = page(to_address="user@here.example")
    assert "2 messages" in text.text
    assert "No message" in page(to_address="nobody@here.example").text


def test_a_page_takes_few_queries(forwarded_mail, admin_client):
    with CaptureQueriesContext(connection) as captured:
        admin_client.get("/trace/", {"id": HARAKA})

    assert len(captured) <= PAGE_QUERIES, [q["sql"][:90] for q in captured.captured_queries]
