"""The search for events and the page of one, as the server paints them."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from server.dashboard.pages.events import page as events_page
from server.dashboard.pages.events import view as events_view
from server.events import queries
from tests.page import Page

pytestmark = pytest.mark.django_db
QUERIES = 12
HOSTILE = '451 4.7.1 <script>alert("reply")</script> & come back'


@pytest.fixture
def page(admin_client):
    def get(path="/events/", **query):
        response = admin_client.get(path, query)
        assert response.status_code == 200, response
        return Page(response.content.decode())

    return get


def test_a_stranger_is_sent_to_the_login(client):
    for path in ("/events/", f"/events/{uuid4()}/"):
        assert client.get(path)["location"].startswith("/login/?next=/events/")


def test_events_are_listed_newest_first_with_what_the_other_side_answered(page, store_events):
    store_events(ago=timedelta(minutes=5), event_type="sent", to_address="first@good.example")
    store_events(
        event_type="deferred", to_address="second@good.example", mx_host="mx1.good.example",
        status_message="451 4.7.500 Server busy",
    )  # fmt: skip

    text = page()

    assert text.markup.index("second@good.example") < text.markup.index("first@good.example")
    assert "<code>451 4.7.500 Server busy</code>" in text
    assert "mx1.good.example" in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"type": "bounced"}, 1),
        ({"direction": "inbound"}, 1),
        ({"mta_node": "mta-09"}, 1),
        ({"to_domain": "OTHER.example"}, 1),
        ({"to_address": "eve@other.example"}, 1),
        ({"to_address": "Eve@OTHER.example"}, 1),
        ({"from_domain": "shop.example"}, 1),
        ({"queue_id": "1a1fd92f960000a951"}, 1),
        ({"message_id": "<1@shop.example>"}, 1),
        ({"status_code": "550"}, 1),
        ({"bounce_type": "hard", "bounce_category": "recipient"}, 1),
        ({"mx_host": "mx9.example"}, 1),
        ({"sending_ip": "192.0.2.10"}, 1),
        ({"zone": "bulk"}, 1),
        ({"certainty": "inferred"}, 1),
        ({"type": "bounced", "direction": "inbound"}, 0),
        ({"type": "bounced,deferred"}, 1),
        ({"mta_node": "mta-09,mta-01"}, 4),
        ({"to_domain": "*.example"}, 4),
        ({"to_domain": "*.other.example"}, 0),
        ({"status_code": "5xx"}, 1),
        ({"status_code": "400-499"}, 0),
        ({"reply": "FULL mailbox"}, 1),
        ({"reply": "full %"}, 0),
        ({"range": "1h"}, 3),
        ({"range": "24h"}, 4),
    ],
)
def test_every_field_can_be_searched(page, store_events, query, found):
    store_events(
        event_type="bounced", mta_node="mta-09", to_domain="other.example",
        to_address="eve@other.example", from_domain="shop.example", message_id="<1@shop.example>",
        queue_id="1a1fd92f960000a951", status_code=550, bounce_type="hard",
        bounce_category="recipient", mx_host="mx9.example", sending_ip="192.0.2.10", zone="bulk",
        bounce_message="552 5.2.2 Mailbox full",
    )  # fmt: skip
    store_events(direction="inbound")
    store_events(certainty="inferred")
    store_events(ago=timedelta(hours=3))

    assert page(**query).event_count() == found


@pytest.mark.parametrize("typed", ["Bücher.example", "xn--bcher-kva.example"])
def test_an_international_domain_is_found_as_typed_and_shown_as_people_write_it(
    page, store_events, typed
):
    (event_id,) = store_events(to_domain="xn--bcher-kva.example")
    store_events()

    assert page(to_domain=typed).event_count() == 1
    assert "bücher.example" in page(f"/events/{event_id}/")


def test_an_id_needs_no_range_and_is_found_however_old(page, store_events):
    store_events(ago=timedelta(days=40), queue_id="1a1fd92f960000a951")

    assert page(queue_id="1a1fd92f960000a951").event_count() == 1
    assert page(queue_id="1a1fd92f960000a951", range="24h").event_count() == 0


def test_pages_follow_each_other_without_loss_or_repetition(page, store_events, monkeypatch):
    monkeypatch.setattr(events_view, "PAGE_SIZE", 3)
    same_moment = {"occurred_at": timezone.now() - timedelta(minutes=1)}
    store_events(*[same_moment | {"event_id": uuid4()} for _ in range(7)], event_type="deferred")
    seen, query = [], {"type": "deferred"}
    for _ in range(4):
        text = page(**query)
        seen += re.findall(r"/events/([0-9a-f-]{36})/", text.markup)
        older = re.search(r'rel="next" href="/events/\?([^"]*)"', text.markup)
        if not older:
            break
        query = dict(part.split("=", 1) for part in older[1].split("&"))
        query["after"] = query["after"].replace("%3A", ":").replace("%2B", "+").replace("%7E", "~")

    assert len(seen) == len(set(seen)) == 7
    assert "Newest</a>" in text


def test_the_place_of_a_page_is_read_back_and_nonsense_is_not():
    event = {"occurred_at": timezone.now(), "event_id": uuid4()}

    assert events_page.parse_cursor(events_page.format_cursor(event)) == queries.Position(
        *event.values()
    )
    for text in ("", "yesterday~x", "2026-11-21T10:00:00~" + str(uuid4())):
        assert events_page.parse_cursor(text) is None


def test_a_wrong_value_is_reported_at_its_field_and_nothing_is_searched(page, store_events):
    store_events()

    text = page(sending_ip="300.1.1.1", status_code="99", direction="outbound")

    assert 'id="wrong-sending_ip">Enter a valid IPv4 or IPv6 address.' in text
    assert "Nothing was searched: see the fields marked above." in text
    assert text.event_count() == 0
    assert '<details class="more-filters" open>' in text


def test_what_is_typed_leads_to_its_filter_and_keeps_the_range(admin_client, page):
    reply = admin_client.get("/events/", {"q": "Bob@good.example", "range": "7d"})
    assert reply["location"] == "/events/?to_address=Bob%40good.example&range=7d"

    text = page(q="greylisting?")
    assert "<code>greylisting?</code> is not recognised" in text


def test_each_filter_in_force_can_be_taken_away_alone(page):
    text = page(type="deferred", to_domain="good.example", range="6h")

    assert 'href="/events/?to_domain=good.example&range=6h"' in text
    assert 'href="/events/?type=deferred&range=6h"' in text


def test_the_export_is_of_this_search_and_exactly_this_stretch(page):
    text = page(
        **{"type": "deferred", "from": "2026-11-20T10:00:00Z", "to": "2026-11-20T11:00:00Z"}
    )

    wanted = (
        "type=deferred&from=2026-11-20T10%3A00%3A00%2B00%3A00&to=2026-11-20T11%3A00%3A00%2B00%3A00"
    )
    assert f'href="/api/v1/email/events.csv?{wanted}"' in text
    assert f'href="/api/v1/email/events.json?{wanted}"' in text


def test_an_empty_range_says_so(page):
    assert "No event in this range." in page()
    assert "No event in this range has these values." in page(type="deferred")


def test_a_search_that_takes_too_long_is_given_up_and_says_what_to_do(page, monkeypatch):
    def slow(*args, **kwargs):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 20")
            cursor.execute("SELECT pg_sleep(5)")

    monkeypatch.setattr(queries, "search", slow)

    text = page(type="deferred")

    assert "The search was stopped after 8 s" in text
    assert "choose a shorter range" in text


def test_another_failure_of_the_database_is_not_called_slow(admin_client, monkeypatch):
    def broken(*args, **kwargs):
        raise OperationalError("the connection was lost")

    monkeypatch.setattr(queries, "search", broken)

    with pytest.raises(OperationalError):
        admin_client.get("/events/")


def test_one_event_shows_what_is_known_and_leaves_out_what_is_not(page, store_events):
    (event_id,) = store_events(
        event_type="deferred", delivery_time_ms=1_234, message_size_bytes=44_523,
        spam_symbols="{A,B}", bounce_message="451 4.7.500 Server busy", attempt=2,
    )  # fmt: skip

    text = page(f"/events/{event_id}/")

    assert "<dt>delivery (connect to final reply)</dt><dd>1.2 s" in text
    assert "<dt>size</dt><dd>44.5 KB" in text
    assert "<code>A, B</code>" in text
    assert '<pre class="words-whole" tabindex="0">451 4.7.500 Server busy</pre>' in text
    assert "<dt>TLS</dt>" not in text
    assert 'href="/events/?to_domain=good.example"' in text


def test_the_story_is_of_this_message_and_recipient_alone(page, store_events):
    mail = {"queue_id": "1a1fd92f960000a951", "to_address": "bob@good.example"}
    store_events(mail | {"event_type": "sent"}, ago=timedelta(minutes=9))
    store_events(mail | {"to_address": "eve@good.example"}, ago=timedelta(minutes=8))
    (event_id,) = store_events(mail | {"event_type": "deferred"}, ago=timedelta(minutes=7))
    store_events(mail | {"event_type": "delivered"})
    store_events({"queue_id": "another"})

    text = page(f"/events/{event_id}/")

    kinds = re.findall(
        r'<td class="what"><span class="badge-kind" data-meaning="(\w+)"', text.markup
    )
    assert kinds == ["sent", "deferred", "delivered"]
    assert "all its events, 1 of other recipients" in text


def test_what_was_inferred_is_reported_in_words(page, store_events):
    (event_id,) = store_events(certainty="inferred")

    assert ">inferred</abbr>" in page()
    assert "the mail program itself did not report this outcome" in page(f"/events/{event_id}/")


def test_strangers_words_stay_text(admin_client, store_events):
    (event_id,) = store_events(
        event_type="deferred", status_message=HOSTILE, mta_node="<script>alert('node')</script>",
        from_address='"><script>alert(1)</script>@x.example', to_address="<img src=x>@y.example",
    )  # fmt: skip

    for path in ("/events/", f"/events/{event_id}/", "/events/?q=<script>alert(2)</script>"):
        text = admin_client.get(path, follow=True).content.decode()
        assert "alert(" in text
        assert "<script>alert" not in text
        assert "<img src=x" not in text


def test_an_unknown_event_is_404(admin_client):
    assert admin_client.get(f"/events/{uuid4()}/").status_code == 404


def test_the_pages_ask_few_questions(admin_client, store_events, django_assert_max_num_queries):
    (event_id,) = store_events(queue_id="1a1fd92f960000a951")

    with django_assert_max_num_queries(QUERIES):
        admin_client.get("/events/", {"to_domain": "good.example"})
    with django_assert_max_num_queries(QUERIES):
        admin_client.get(f"/events/{event_id}/")
