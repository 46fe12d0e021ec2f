"""The page of the mail queue and of one destination, as the server paints them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from server.alerts.present.tiles import queue_tile
from server.dashboard.pages.queue.page import build_headline
from server.mailqueues.accounting import Reading, count_once
from server.metrics.mail_queue import MailQueue, QueueShare
from tests.page import Page

NOW = datetime(2026, 11, 21, 10, 7, 10, tzinfo=UTC)
QUERIES = 12


def queue(instance="mta-01", *, source="mongodb", oldest=None, **shares):
    return MailQueue(
        source=source,
        zones=[],
        active_count=0,
        deferred_count=sum(shares.values()),
        database="rs0/zone-mta@db" if source == "mongodb" else None,
        instance=instance,
        shares=[QueueShare(name.replace("_", "-"), count) for name, count in shares.items()]
        if source == "mongodb"
        else None,
        oldest_created_at=oldest and NOW - oldest,
    )


def judge(of, *, seconds_ago=5, node="mta-01"):
    at = NOW - timedelta(seconds=seconds_ago)
    whole = (at, of) if of.source == "mongodb" else None
    return build_headline(
        count_once([Reading(node, at, of, timedelta(seconds=90), whole)], NOW), NOW
    )


def tile(of, key):
    return next(each for each in of.tiles if each.key == key)


def test_the_sentence_says_how_much_waits_and_for_how_long():
    tiles = judge(queue(mta_01=1_234, oldest=timedelta(minutes=40)))

    assert (tiles.level, tiles.text) == ("ok", "1,234 recipients wait, the oldest for 40 min")
    assert tile(tiles, "oldest").level == "ok"


@pytest.mark.parametrize(
    ("oldest", "level"),
    [
        (timedelta(hours=1), "ok"),
        (timedelta(hours=1, seconds=1), "warning"),
        (timedelta(hours=25), "critical"),
    ],
)
def test_a_message_older_than_an_hour_is_a_warning(oldest, level):
    tiles = judge(queue(mta_01=1, oldest=oldest))

    assert (tiles.level, tile(tiles, "oldest").level) == (level, level)


def test_stranded_mail_is_critical_however_little():
    tiles = judge(queue(mta_01=5, mta_99=1, oldest=timedelta(minutes=1)))

    assert tiles.level == "critical"
    assert tiles.text.endswith("· 1 stranded")


def test_stranded_mail_names_its_instance():
    note = tile(judge(queue(mta_01=5, mta_99=1)), "stranded").note

    assert note == "at mta-99: no living ZoneMTA sends it"


@pytest.mark.parametrize(
    ("of", "seconds_ago"),
    [
        ({"mta_01": 5, "oldest": timedelta(minutes=1)}, 5),
        ({"mta_01": 5, "oldest": timedelta(minutes=1)}, 91),
        ({"mta_01": 5, "oldest": timedelta(days=2)}, 5),
        ({"mta_01": 5, "oldest": timedelta(days=2)}, 91),
        ({"mta_01": 5, "mta_99": 1}, 5),
        ({"mta_01": 5, "mta_99": 1}, 91),
        ({"mta_01": 0}, 5),
    ],
)
def test_the_overview_judges_the_queues_as_their_page_does(of, seconds_ago):
    at = NOW - timedelta(seconds=seconds_ago)
    read = queue(**of)
    databases = count_once([Reading("mta-01", at, read, timedelta(seconds=90), (at, read))], NOW)

    assert queue_tile(databases, NOW).level == build_headline(databases, NOW).level


def test_an_old_reading_says_so_and_is_no_all_clear():
    tiles = judge(queue(mta_01=5, oldest=timedelta(minutes=1)), seconds_ago=91)

    assert tiles.level == "warning"
    assert tiles.stale == ("rs0/zone-mta@db",)
    assert "as last read: rs0/zone-mta@db stale" in tiles.text


def test_nothing_waiting_and_nothing_known_are_two_things():
    assert judge(queue(mta_01=0)).text == "The queue is empty"
    assert build_headline([], NOW).text == "No mail queue was read in the last 7 days"
    assert build_headline([], NOW).level == "none"


def test_from_the_api_only_totals_are_known_and_the_page_says_what_to_do():
    tiles = judge(queue(source="api", mta_01=7))

    assert tile(tiles, "waiting").text == "7"
    assert tile(tiles, "oldest").level == "none"
    assert tile(tiles, "stranded").note == "not known, see below"
    assert "AGENT_ZONEMTA_MONGODB_URI" in tiles.unknown[0]


@pytest.fixture
def page(admin_client):
    def get(path="/email/queue/", **query):
        response = admin_client.get(path, query)
        assert response.status_code == 200, response
        return Page(response.content.decode())

    return get


@pytest.mark.django_db
def test_it_is_painted_with_what_was_read_last(page, store_sample):
    created = (timezone.now() - timedelta(hours=2, minutes=5)).isoformat()
    store_sample("zonemta", oldest_created_at=created)

    text = page()

    assert "9 recipients wait, the oldest for 2 h 5 min · 1 stranded" in text
    assert "2 h 5 min" in text
    assert '<span class="grey-note">stale' not in text


@pytest.mark.django_db
def test_without_a_reading_it_says_what_to_do(page, store_sample):
    store_sample("system")

    text = page()

    assert "No mail queue was read in the last 7 days" in text
    assert "mallard-agent doctor" in text


@pytest.mark.django_db
def test_an_old_reading_is_marked_on_the_page(page, store_sample):
    store_sample("zonemta", ago=timedelta(hours=1))

    assert '<span class="grey-note">stale' in page()


@pytest.mark.django_db
def test_a_destination_shows_its_last_ten_refusals_and_the_nodes(page, store_events):
    for minute in range(12):
        store_events(
            event_type="deferred",
            to_domain="slow.example",
            to_address=f"u{minute % 3}@slow.example",
            queue_id=f"q{minute % 3}",
            status_message=f"451 try {minute}",
            mta_node="mta-02" if minute else "mta-01",
            ago=timedelta(minutes=minute),
        )
    store_events(event_type="delivered", to_domain="slow.example", ago=timedelta(minutes=3))
    store_events(event_type="deferred", to_domain="other.example", status_message="451 not this")

    text = page("/email/queue/destination/", domain="Slow.example")

    assert text.replies() == [f"451 try {i}" for i in range(10)]
    assert [row[:3] for row in text.rows()] == [["mta-02", "3", "11"], ["mta-01", "1", "1"]]
    assert "Last delivered" in text


@pytest.mark.django_db
@pytest.mark.parametrize("domain", ["bücher.example", "XN--BCHER-KVA.example"])
def test_an_international_destination_is_shown_as_people_write_it(page, store_events, domain):
    store_events(
        event_type="deferred", to_domain="xn--bcher-kva.example", status_message="451 later"
    )

    text = page("/email/queue/destination/", domain=domain)

    assert text.replies() == ["451 later"]
    assert '<h2 id="destination-title" class="words-line">bücher.example</h2>' in text.markup


@pytest.mark.django_db
def test_a_destination_of_which_nothing_is_known_says_so(page, admin_client):
    text = page("/email/queue/destination/", domain="nowhere.example")

    assert "Nothing was delivered there in the last 48 hours." in text
    assert "No deferral or bounce there" in text
    assert admin_client.get("/email/queue/destination/").status_code == 404


@pytest.mark.django_db
def test_a_hostile_domain_and_reply_stay_text(admin_client, store_events):
    hostile = "<script>alert(1)</script>.example"
    store_events(
        event_type="deferred", to_domain=hostile, status_message="<img src=x onerror=alert(2)>"
    )

    text = admin_client.get("/email/queue/destination/", {"domain": hostile}).content.decode()

    assert "alert(2)" in text
    assert "<script>alert" not in text
    assert "<img src=x" not in text


@pytest.mark.django_db
def test_the_pages_ask_few_questions(
    admin_client, store_sample, store_events, django_assert_max_num_queries
):
    store_sample("zonemta")
    store_events(event_type="deferred", to_domain="slow.example")

    for path in ("/email/queue/", "/email/queue/destination/?domain=slow.example"):
        with django_assert_max_num_queries(QUERIES):
            admin_client.get(path)
