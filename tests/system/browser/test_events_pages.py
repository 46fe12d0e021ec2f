"""The search for events and the page of one, in a real browser."""

import json
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.system.browser.site import NODE, WITHIN_MS, Site, find_serious, refresh_until

pytestmark = pytest.mark.browser
expect.set_options(timeout=WITHIN_MS)
HOSTILE = '451 4.7.1 <img src=x onerror="document.title=1"> come back'
LONG = "451 4.7.500 Server busy. Please try again later. " * 9


def wait_for_rows(site: Site, page: Page, count: int) -> None:
    """Wait until the worker has written what was posted."""
    rows = page.locator("table.events tbody tr")
    refresh_until(page, lambda: rows.count() == count)
    expect(rows).to_have_count(count)


def test_mail_is_found_by_what_one_pastes_and_shown_with_its_story(site: Site, open_page, console):
    mail = {"queue_id": "1a1fd92f960000a951", "to_address": "bob@slow.example"}
    site.mail("sent", ago=timedelta(minutes=3), **mail)
    site.mail("deferred", ago=timedelta(minutes=2), status_message="451 later", **mail)
    site.mail("delivered", status_message="250 2.0.0 OK", **mail)
    site.mail("delivered", 5, to_address="eve@good.example")
    page = open_page(site, "/events/?range=6h")
    wait_for_rows(site, page, 8)

    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("1A1FD92F960000A951.001")
    page.keyboard.press("Enter")

    page.wait_for_url("**/events/?queue_id=1a1fd92f960000a951&range=6h")
    rows = page.locator("table.events tbody tr")
    expect(rows).to_have_count(3)
    rows.filter(has_text="451 later").locator(".when a").click()

    expect(page.locator(".event-head .words-whole")).to_have_text("451 later")
    expect(page.locator("table.events .badge-kind")).to_have_text(
        ["↑ Sent", "◷ Deferred", "✓ Delivered"]
    )
    page.go_back()
    expect(rows).to_have_count(3)
    assert console == []


def test_filters_are_in_the_address_and_each_can_be_taken_away(site: Site, open_page):
    site.mail("deferred", 2, to_address="a@slow.example")
    site.mail("delivered", 3, to_address="a@slow.example")
    page = open_page(site, "/events/")
    wait_for_rows(site, page, 5)

    page.locator('select[name="type"]').select_option("deferred")
    page.get_by_label("to domain").fill("slow.example")
    page.get_by_role("button", name="Search").click()

    page.wait_for_url("**/events/?type=deferred&to_domain=slow.example")
    rows = page.locator("table.events tbody tr")
    expect(rows).to_have_count(2)
    page.get_by_role("link", name="type deferred").click()
    page.wait_for_url("**/events/?to_domain=slow.example")
    expect(rows).to_have_count(5)
    page.go_back()
    expect(rows).to_have_count(2)
    expect(page.locator('select[name="type"]')).to_have_value("deferred")


def test_the_range_of_the_header_is_obeyed_without_losing_the_filter(site: Site, open_page):
    site.mail("deferred", ago=timedelta(hours=3))
    site.mail("deferred")
    page = open_page(site, "/events/?type=deferred")
    wait_for_rows(site, page, 2)

    page.locator("[data-menu=range] summary").click()
    page.get_by_role("link", name="Last hour").click()

    expect(page).to_have_url(f"{site.server.url}/events/?type=deferred&range=1h")
    expect(page.locator("table.events tbody tr")).to_have_count(1)
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**/events/?type=deferred&range=1h")


def test_a_list_is_paged_by_key_and_ends(site: Site, open_page):
    site.mail("deferred", 120)
    page = open_page(site, "/events/?type=deferred")
    wait_for_rows(site, page, 50)

    seen = []
    for count in (50, 50, 20):
        expect(page.locator("table.events tbody tr")).to_have_count(count)
        seen += page.locator(".when a").evaluate_all("all => all.map(a => a.pathname)")
        if count == 50:
            page.get_by_role("link", name="Older").click()
            page.wait_for_url("**after=*")
            page.wait_for_load_state()

    assert len(set(seen)) == 120
    expect(page.get_by_role("link", name="Older")).to_have_count(0)


def test_what_is_found_can_be_saved(site: Site, open_page):
    site.mail("deferred", 2, to_address="=cmd@slow.example")
    site.mail("delivered")
    page = open_page(site, "/events/?type=deferred")
    wait_for_rows(site, page, 2)

    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) == 3
    assert "'=cmd@slow.example" in lines[1]
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON").click()
    assert [e["event_type"] for e in json.loads(download.value.path().read_text())] == [
        "deferred"
    ] * 2


def test_a_long_reply_is_cut_at_two_lines_and_whole_on_demand(site: Site, open_page):
    site.mail("deferred", status_message=LONG)
    page = open_page(site, "/events/")
    wait_for_rows(site, page, 1)
    words = page.locator(".words-cut code")
    cut = words.bounding_box()["height"]

    page.locator(".words-cut summary").focus()
    page.keyboard.press("Enter")

    assert words.bounding_box()["height"] > cut + 10


def test_strangers_words_are_text(site: Site, open_page, console):
    site.mail(
        "deferred", status_message=HOSTILE, mta_node="<b>node</b>", from_address=HOSTILE[:200]
    )
    page = open_page(site, "/events/")
    wait_for_rows(site, page, 1)

    expect(page.locator(".reply code")).to_have_text(HOSTILE)
    expect(page.locator(".where")).to_have_text("<b>node</b>")
    page.locator(".when a").click()
    expect(page.locator(".words-whole")).to_have_text(HOSTILE)
    assert page.title() != "1"
    assert console == []


def test_nothing_found_wrong_input_and_a_lost_server_are_three_things(site: Site, open_page):
    page = open_page(site, "/events/?type=bounced")
    expect(page.locator(".list-empty")).to_have_text("No event in this range has these values.")

    page.goto(f"{site.server.url}/events/?sending_ip=300.1.1.1")
    expect(page.locator("#wrong-sending_ip")).to_be_visible()
    expect(page.get_by_label("sending IP")).to_have_attribute("aria-invalid", "true")

    page.goto(f"{site.server.url}/events/")
    page.route("**/events/", lambda route: route.abort())
    page.keyboard.press("r")
    expect(page.locator("#not-current")).to_contain_text("could not be refreshed")
    page.unroute("**/events/")
    page.keyboard.press("r")
    expect(page.locator("#not-current")).to_have_count(0)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_serious(site: Site, open_page, theme):
    for kind in ("sent", "deferred", "bounced", "delivered"):
        site.mail(kind, status_message=LONG, queue_id="1a1fd92f960000a951", certainty="inferred")
    page = open_page(site, f"/events/?mta_node={NODE}&theme={theme}")
    wait_for_rows(site, page, 4)

    assert find_serious(page) == []
    page.locator(".when a").first.click()
    page.wait_for_selector(".event-head")
    assert find_serious(page) == []


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_nothing_is_wider_than_the_window(site: Site, open_page, width):
    address = f"{'long.' * 12}address-without-a-single-gap-{'x' * 60}@{'sub.' * 10}domain.example"
    site.mail("deferred", status_message="x" * 400, to_address=address, mx_host="m" * 200)
    page = open_page(site, "/events/?to_address=" + address)
    page.set_viewport_size({"width": width, "height": 844})
    wait_for_rows(site, page, 1)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator(".when a").first.click()
    page.wait_for_selector(".event-head")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
