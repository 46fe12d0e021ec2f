"""Pages of a provider, destination, sending IP, sending domain and account, and their lists."""

import csv
import html
import io
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from server.profiles import pairs, sending_ips
from server.profiles.kinds import KINDS as KIND_OF
from server.profiles.kinds import clean_name
from server.rollups.mail import details
from tests.page import Page

pytestmark = pytest.mark.django_db
#: Of a first paint; the session's are among them.
QUERIES = 12
KINDS = {
    "provider": "Microsoft 365",
    "destination": "slow.example",
    "ip": "192.0.2.10",
    "domain": "corp.example",
    "account": "alice@corp.example",
}
REFUSAL = {
    "event_type": "deferred",
    "to_domain": "slow.example",
    "to_address": "bob@slow.example",
    "provider": "Microsoft 365",
    "mx_host": "slow-example.mail.protection.outlook.com",
    "sending_ip": "192.0.2.10",
    "account": "alice@corp.example",
    "zone": "default",
    "bounce_class": "rate",
    "reply_fingerprint": "00000000000000aa",
    "status_message": "451 4.7.500 Server busy",
}
DELIVERY = {
    **REFUSAL,
    "event_type": "delivered",
    "bounce_class": None,
    "reply_fingerprint": None,
    "status_message": "250 ok",
    "delivery_time_ms": 1_200,
}
HOSTILE = [
    "a/b@c",
    "x" * 254,
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "\u202egnp.exe",
    "Müller & Söhne?name=other#x",
    "%2e%2e%00%ff",
]


@pytest.fixture
def page(admin_client):
    def get(kind, name=None, **query):
        path = f"/email/by/{kind}/" if name is None else f"/email/by/{kind}/named/"
        response = admin_client.get(path, {"name": name, **query} if name is not None else query)
        assert response.status_code == 200, response
        return Page(response.content.decode())

    return get


@pytest.fixture
def refused(store_events):
    """Twenty refusals of the last hours, and one delivery before them."""
    now = timezone.now()
    store_events(
        DELIVERY | {"occurred_at": now - timedelta(hours=5)},
        *(REFUSAL | {"occurred_at": now - timedelta(minutes=n)} for n in range(0, 100, 5)),
    )
    details.count_all(now)  # as the worker does when a minute is over


@pytest.mark.parametrize("path", ["/email/by/provider/", "/email/by/ip/named/?name=192.0.2.1"])
def test_a_stranger_is_sent_to_the_login(client, path):
    assert client.get(path)["location"].startswith("/login/?next=/email/by/")


@pytest.mark.parametrize(("kind", "name"), KINDS.items())
def test_a_page_says_what_is_refused_since_when_and_with_what_words(page, refused, kind, name):
    text = page(kind, name)

    verb = "refuses 100 %" if kind in {"provider", "destination"} else "100 % of the mail of"
    assert verb in text.text
    assert text.replies() == ["451 4.7.500 Server busy"]
    assert "of 20 refusals" in text.text


@pytest.mark.parametrize(("kind", "other"), [("provider", "192.0.2.10"), ("ip", "Microsoft 365")])
def test_a_provider_has_its_outcomes_by_ip_and_an_ip_by_provider(page, refused, kind, other):
    row = next(row for row in page(kind, KINDS[kind]).rows() if row[0] == other)

    assert row == [other, "21", "1", "20", "0", "95.2 %"]


def test_an_ip_is_counted_with_those_that_take_most_from_it_and_those_that_refuse_it(
    admin_client, store_events, monkeypatch
):
    monkeypatch.setattr(pairs, "MAX_COUNTED", 3)
    for i in range(5):
        store_events(*[DELIVERY | {"provider": f"p{i:02}.example"}] * (1 if i < 2 else 2))
        store_events(DELIVERY | {"provider": "elsewhere.example", "sending_ip": "192.0.2.11"})
    store_events(REFUSAL | {"provider": "p00.example"}, REFUSAL)
    details.count_all(timezone.now())

    query = {"of": "ip", "name": KINDS["ip"]}
    answer = admin_client.get("/api/v1/email/profile", query).json()

    events = {each["value"]: each["events"] for each in answer["by_provider"]}
    largest = {f"p{i:02}.example": {"delivered": 2} for i in range(2, 5)}
    refusing = {"p00.example": {"delivered": 1, "deferred": 1}, "Microsoft 365": {"deferred": 1}}
    assert events == largest | refusing


def test_the_api_answers_what_the_page_shows(admin_client, refused):
    query = {"of": "provider", "name": "Microsoft 365"}

    answer = admin_client.get("/api/v1/email/profile", query).json()

    assert answer["outcomes"]["events"] == {"delivered": 1, "deferred": 20}
    assert answer["by_ip"] == [{"value": "192.0.2.10", "events": {"delivered": 1, "deferred": 20}}]
    assert answer["worse"]["refused"] == answer["worse"]["attempts"]
    assert answer["refusals"]["of_count"] == 20
    (reply,) = answer["refusals"]["replies"]["values"]
    assert (reply["value"], reply["count"]) == ("00000000000000aa", 20)
    assert (reply["bounce_class"], reply["reply"]) == ("rate", "451 4.7.500 Server busy")
    assert sum(day["events"].get("deferred", 0) for day in answer["trend"]) == 20
    assert len(answer["trend"]) == 30


def test_the_api_refuses_what_nothing_can_be_called(admin_client):
    for query in ({"of": "ip", "name": "x"}, {"of": "node", "name": "a"}, {"of": "account"}):
        assert admin_client.get("/api/v1/email/profile", query).status_code == 400


@pytest.mark.parametrize(("kind", "name"), KINDS.items())
def test_every_number_leads_to_the_events_behind_it(page, refused, admin_client, kind, name):
    links = [link for link in find_links(page(kind, name)) if link.startswith("/events/?")]

    assert len(links) > 5
    for link in links:
        response = admin_client.get(link)
        assert response.status_code == 200
        assert Page(response.content.decode()).event_count() > 0, link


@pytest.mark.parametrize(("kind", "name"), KINDS.items())
def test_every_row_leads_to_the_page_of_its_thing(page, refused, admin_client, kind, name):
    links = {link for link in find_links(page(kind, name)) if "/named/" in link}

    others = {link.split("/")[3] for link in links if link.startswith("/email/by/")}
    assert others >= {"account", "domain"} - {kind}
    assert others & {"destination", "provider"}
    assert any(link.startswith("/nodes/named/mta-01/") for link in links)
    assert {admin_client.get(link).status_code for link in links} <= {200, 404}


@pytest.mark.parametrize(("kind", "name"), KINDS.items())
def test_a_first_paint_takes_few_queries(
    admin_client, refused, store_sample, django_assert_max_num_queries, *, kind, name
):
    store_sample("zonemta")
    sending_ips.refresh(timezone.now())

    with django_assert_max_num_queries(QUERIES):
        admin_client.get(f"/email/by/{kind}/named/", {"name": name})
    with django_assert_max_num_queries(QUERIES):
        admin_client.get(f"/email/by/{kind}/")


@pytest.mark.parametrize("kind", KINDS)
def test_without_any_mail_a_page_says_that_nothing_is_known(page, kind):
    name = "192.0.2.99" if kind == "ip" else "nobody.example"

    assert f"Nothing is known of {name}" in page(kind, name)
    assert "No mail in this range." in page(kind)


@pytest.mark.parametrize("kind", ["provider", "destination", "domain", "account"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_text(admin_client, store_events, kind, name):
    columns = {
        "provider": "provider", "destination": "to_domain", "domain": "from_domain",
        "account": "account",
    }  # fmt: skip
    stored = clean_name(KIND_OF[kind], name)  # as an event of it is stored
    store_events(REFUSAL | {columns[kind]: stored, "status_message": "451 <img src=x>"})

    response = admin_client.get(f"/email/by/{kind}/named/", {"name": name})

    source = response.content.decode()
    assert response.status_code == 200
    assert "1 refusal" in Page(source).text
    assert "<script>alert" not in source
    assert "<img src=x" not in source


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("provider", ""),
        ("provider", "a\0b"),
        ("account", "x" * 256),
        ("ip", "not an address"),
        ("ip", "fe80::1%eth0"),
        ("provider", "(other)"),
    ],
)
def test_what_nothing_can_be_called_is_not_found(admin_client, kind, name):
    response = admin_client.get(f"/email/by/{kind}/named/", {"name": name})

    assert response.status_code == 404


@pytest.mark.parametrize("name", ["2001:db8::1", "2001:DB8:0::0:1", "[2001:db8::1]"])
def test_an_ipv6_address_is_one_however_it_is_written(page, store_events, name):
    store_events(REFUSAL | {"sending_ip": "2001:db8::1"})

    text = page("ip", name)

    assert "1 refusal" in text.text
    assert "<h1>2001:db8::1</h1>" in text.markup


@pytest.mark.parametrize("name", ["bücher.example", "XN--BCHER-KVA.example"])
def test_an_international_domain_is_shown_as_people_write_it(page, store_events, name):
    store_events(REFUSAL | {"to_domain": "xn--bcher-kva.example"})

    text = page("destination", name)

    assert "<h1>bücher.example</h1>" in text.markup
    assert "1 refusal" in text.text


def test_mail_that_waits_for_a_destination_is_counted(page, store_sample):
    store_sample("zonemta")

    text = page("destination", "slow.example")

    assert ["slow.example", "6", "3"] in text.rows()


def test_waiting_mail_as_it_was_read_long_ago_is_stale(page, store_sample):
    store_sample("zonemta", ago=timedelta(hours=1))

    assert '<span class="grey-note">stale</span>' in page("destination", "slow.example")


def test_the_newest_refusals_alone_are_read_and_the_page_says_so(page, store_events, monkeypatch):
    monkeypatch.setattr("server.profiles.refusals.MAX_REFUSALS", 3)
    for minutes in range(5):
        store_events(REFUSAL | {"mta_node": f"mta-0{minutes}"}, ago=timedelta(minutes=minutes))

    text = page("provider", "Microsoft 365")

    assert "of the newest 3 refusals" in text.text
    assert "mta-02" in text.text
    assert "mta-03" not in text.text


def test_every_sending_ip_is_listed_sorted_and_found(page, store_events):
    store_events(DELIVERY | {"sending_ip": "192.0.2.9", "mta_node": "mta-02", "zone": "bulk"})
    store_events(DELIVERY, REFUSAL)
    store_events(DELIVERY | {"sending_ip": "2001:db8::5"}, ago=timedelta(days=2))
    sending_ips.refresh(timezone.now())

    assert [row[0] for row in page("ip").rows()] == ["192.0.2.10", "192.0.2.9", "2001:db8::5"]
    assert [row[0] for row in page("ip", sort="name").rows()] == [
        "192.0.2.10", "192.0.2.9", "2001:db8::5",
    ]  # fmt: skip
    assert [row[0] for row in page("ip", q="BULK").rows()] == ["192.0.2.9"]
    assert [row[1:5] for row in page("ip", q="192.0.2.9").rows()] == [["mta-02", "bulk", "1", "1"]]
    assert "None is found." in page("ip", q="198.51.100.1")
    sorted_by = page("ip", sort="-refused")
    assert 'aria-sort="descending"' in sorted_by
    assert sorted_by.rows()[0][0] == "192.0.2.10"


def test_the_file_of_sending_ips_is_safe_for_spreadsheets(admin_client, store_events):
    store_events(DELIVERY | {"mta_node": '=cmd|"/c calc"', "zone": "@SUM(A1)"})
    sending_ips.refresh(timezone.now())

    text = admin_client.get("/api/v1/email/sending-ips.csv").content.decode()

    (line,) = csv.DictReader(io.StringIO(text))
    assert (line["ip"], line["attempts"], line["attempts_1h"]) == ("192.0.2.10", "1", "1")
    assert (line["node"], line["zone"]) == ('\'=cmd|"/c calc"', "'@SUM(A1)")


def test_links_carry_the_range_and_quote_what_is_in_a_name(page, store_events):
    store_events(REFUSAL | {"account": "a/b@c&d=e"})

    text = page("provider", "Microsoft 365", range="7d")

    (link,) = {link for link in find_links(text) if link.startswith("/email/by/account/named/")}
    assert parse_qs(urlsplit(link).query) == {"name": ["a/b@c&d=e"], "range": ["7d"]}


def find_links(page: Page) -> list[str]:
    main = page.source.split("<main", 1)[1]
    return [html.unescape(href) for href in re.findall(r'<a\s[^>]*href="(/[^"]*)"', main)]
