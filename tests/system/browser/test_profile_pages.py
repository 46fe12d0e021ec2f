"""Pages of a provider, destination, sending IP, sending domain and account in a real browser."""

import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.system.browser.site import (
    WITHIN_MS,
    Site,
    find_serious,
    load_panels,
    post_sample,
    refresh_until,
    wait_for_text,
)

pytestmark = pytest.mark.browser
expect.set_options(timeout=WITHIN_MS)
HOSTILE = "<img src=x onerror=alert(1)>"
ACCOUNT = "a/b@c?d=e&f"
MAIL = {
    "from_address": "alice@corp.example",
    "to_address": "bob@slow.example",
    "mx_host": "mx1.slow.example",
    "sending_ip": "192.0.2.10",
    "zone": "default",
    "auth_user": ACCOUNT,
}
PATHS = {
    "provider": "slow.example",
    "destination": "slow.example",
    "ip": "192.0.2.10",
    "domain": "corp.example",
    "account": ACCOUNT,
}


@pytest.fixture
def busy(site: Site) -> Site:
    """A destination that took mail an hour ago, and refuses it now with two replies."""
    site.execute("TRUNCATE sending_ips")
    site.mail("delivered", 30, ago=timedelta(minutes=70), delivery_time_ms=800, **MAIL)
    for minutes in (40, 20, 2):
        ago = timedelta(minutes=minutes)
        site.mail("deferred", 8, ago=ago, status_message=f"451 4.7.500 {HOSTILE} busy", **MAIL)
    site.mail("bounced", 3, status_message="550 5.7.1 Your IP is on our list", **MAIL)
    post_sample(site, "zonemta")
    return site


def wait_for_refusals(page: Page, count: int = 27) -> None:
    refresh_until(page, lambda: f"of {count} refusals" in page.inner_text("#replies"))
    expect(page.locator("#replies")).to_contain_text(f"of {count} refusals")


def open_named(open_page, site: Site, kind: str) -> Page:
    page = open_page(site, f"/email/by/{kind}/")
    page.goto(f"{site.server.url}/email/by/{kind}/named/?{urlencode({'name': PATHS[kind]})}")
    page.wait_for_selector('#page[data-connection="live"]')
    return page


def test_from_a_destination_to_its_reply_to_the_events_behind_it(busy, open_page, console):
    page = open_named(open_page, busy, "destination")
    wait_for_refusals(page)
    load_panels(page)

    expect(page.locator("#profile-title")).to_contain_text(
        "slow.example refuses 100 % of what it is offered since"
    )
    expect(page.locator("#waiting tbody tr")).to_contain_text("slow.example")
    replies = page.locator("#replies tbody tr")
    expect(replies).to_have_count(2)
    expect(replies.first.locator("code")).to_have_text(f"451 4.7.500 {HOSTILE} busy")
    expect(page.locator("#report pre")).to_contain_text("192.0.2.10")

    replies.first.get_by_role("link", name="24").click()

    page.wait_for_url("**/events/?*reply_fingerprint=*")
    expect(page.locator("#found-title")).to_contain_text("24 events")
    page.get_by_role("link", name="page of this to domain").click()
    page.wait_for_url("**/email/by/destination/named/?name=slow.example*")
    assert console == []


def test_a_name_with_a_slash_leads_to_its_page_and_back(busy, open_page, console):
    page = open_named(open_page, busy, "ip")
    wait_for_refusals(page)

    page.locator("#by-accounts").get_by_role("link", name=ACCOUNT).click()

    expect(page.locator("h1")).to_have_text(ACCOUNT)
    wait_for_refusals(page)
    page.go_back()
    expect(page.locator("h1")).to_have_text("192.0.2.10")
    assert console == []


def test_tables_are_sorted_by_the_keyboard_and_stay_so_when_they_are_refreshed(busy, open_page):
    page = open_named(open_page, busy, "destination")
    wait_for_refusals(page)
    head = page.locator("#replies thead th").nth(2)
    counts = page.locator("#replies tbody td:nth-child(3)")
    expect(counts).to_have_text(["24", "3"])

    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "descending")
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "ascending")
    expect(counts).to_have_text(["3", "24"])

    with page.expect_response(re.compile("/email/by/destination/named/")):
        page.keyboard.press("r")
    expect(head).to_have_attribute("aria-sort", "ascending")
    expect(counts).to_have_text(["3", "24"])
    expect(head.get_by_role("button")).to_be_focused()


def test_the_inventory_finds_an_address_and_leads_to_its_page(busy, open_page, console):
    page = open_page(busy, "/email/by/ip/")
    refresh_until(page, lambda: page.locator("#list tbody tr").count() == 1)

    page.locator("#list-search").fill("192.0.2.1")
    page.keyboard.press("Enter")

    page.wait_for_url("**/email/by/ip/?q=192.0.2.1*")
    head = page.locator("#list thead th").filter(has_text="Refused").first
    head.get_by_role("link").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == "sending-ips.csv"
    page.locator("#list tbody th").get_by_role("link").click()
    expect(page.locator("h1")).to_have_text("192.0.2.10")
    assert console == []


def test_the_key_d_leads_to_providers(site: Site, open_page):
    page = open_page(site, "/")
    page.wait_for_load_state()

    page.keyboard.press("g")
    page.keyboard.press("d")

    expect(page.locator("h1")).to_have_text("Providers")
    expect(page.locator(".chip[aria-current=page]")).to_have_text("Providers")


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("width", [390, 1920])
def test_nothing_is_wider_than_the_window_and_nothing_serious_is_found(
    busy, open_page, console, kind, width
):
    page = open_named(open_page, busy, kind)
    page.set_viewport_size({"width": width, "height": 900})
    wait_for_refusals(page)
    load_panels(page)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert find_serious(page) == []
    page.goto(f"{busy.server.url}/email/by/{kind}/")
    page.wait_for_selector('#page[data-connection="live"]')
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert find_serious(page) == []
    assert console == []


def test_a_queue_that_was_read_long_ago_is_stale(site: Site, open_page):
    post_sample(site, "zonemta", ago=timedelta(hours=1))
    page = open_page(site, "/email/by/destination/named/?name=slow.example")

    wait_for_text(page, "#waiting-title", "stale")
