"""The page of the mail queue in a real browser."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.system.browser.site import (
    NODE,
    WITHIN_MS,
    Site,
    find_serious,
    post_sample,
    wait_for_text,
)

pytestmark = pytest.mark.browser
expect.set_options(timeout=WITHIN_MS)
DASH = "\N{EN DASH}"
HOSTILE = '<img src=x onerror="document.title=1">'
PANELS = ("destinations", "reasons", "by-node", "by-age", "by-zone", "history", "replies")


def read(site: Site, *, ago: timedelta = timedelta(), **readings) -> None:
    """Let the contract's reading of a queue arrive, its oldest message two hours old."""
    created = (datetime.now(UTC) - timedelta(hours=2, minutes=5)).isoformat()
    post_sample(site, "zonemta", ago=ago, oldest_created_at=created, **readings)


def waits(page: Page, text: str) -> None:
    wait_for_text(page, "#queue-title", text)


def wait_for_panels(page: Page) -> None:
    expect(page.locator("[data-panel]:not([data-loaded])")).to_have_count(0)
    expect(page.locator('[data-panel][aria-busy="true"]')).to_have_count(0)


def test_the_queue_is_shown_by_destination_age_reason_node_and_zone(site: Site, open_page, console):
    read(site)
    page = open_page(site, "/email/queue/")
    waits(page, "9 recipients wait, the oldest for 2 h 5 min · 1 stranded")
    wait_for_panels(page)

    rows = page.locator("#destinations .heat tbody tr")
    expect(rows.locator("th")).to_have_text(
        ["slow.example", "dead.example", "good.example", "1 other"]
    )
    expect(rows.first.locator("td")).to_have_text(["6", "0", "1", "1", "1", "3", "0", "0"])
    expect(page.locator("#destinations thead th")).to_have_text(
        [
            "destination",
            "all",
            "< 1 min",
            f"1{DASH}5 min",
            f"5{DASH}30 min",
            f"30 min {DASH} 1 h",
            f"1{DASH}4 h",
            f"4 h {DASH} 1 d",
            "> 1 d",
        ]
    )
    expect(page.locator("#reasons .ring-name")).to_have_text(["other", "network"])
    expect(page.locator("#by-node .bar-name")).to_have_text(
        [NODE, "stranded at mta-02", "of no instance yet"]
    )
    expect(page.locator("#by-zone .bar-name").first).to_have_text("default")
    expect(page.locator('[data-tile="oldest"]')).to_have_attribute("data-level", "warning")
    expect(page.locator("[data-part=spark] polyline")).not_to_have_count(0)
    assert console == []


def test_it_refreshes_by_itself_and_a_hidden_tab_does_not(site: Site, open_page):
    page = open_page(site, "/email/queue/")
    page.clock.install()
    page.reload()
    wait_for_panels(page)
    urls: list[str] = []
    page.on("request", lambda r: urls.append(r.url) if "email/queue" in r.url else None)

    page.clock.run_for(11_000)
    expect(page.locator("#page")).to_be_visible()
    assert any("/api/v1/email/queue" in url for url in urls)
    assert any(url.endswith("/email/queue/") for url in urls)

    page.evaluate(
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange'))"
    )
    wait_for_panels(page)
    urls.clear()
    page.clock.run_for(60_000)
    assert urls == []


def test_a_cell_opens_what_the_destination_answered_and_escape_leads_back(
    site: Site, open_page, console
):
    read(site)
    site.mail("deferred", 3, to_address="bob@slow.example", status_message=f"451 {HOSTILE}")
    page = open_page(site, "/email/queue/")
    waits(page, "9 recipients wait")
    cell = page.get_by_role("button", name=f"slow.example, 1{DASH}4 h: 3")

    cell.focus()
    page.keyboard.press("Enter")

    dialog = page.get_by_role("dialog", name="slow.example")
    expect(dialog).to_contain_text("6 wait")
    expect(dialog.locator(".replies code").first).to_have_text(f"451 {HOSTILE}")
    expect(dialog.locator("table tbody tr")).to_contain_text(NODE)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(cell).to_be_focused()
    assert page.title() != "1"
    assert console == []


def test_a_destination_that_cannot_be_queried_says_so(site: Site, open_page):
    read(site)
    page = open_page(site, "/email/queue/")
    waits(page, "9 recipients wait")
    page.route("**/email/queue/destination/**", lambda route: route.fulfill(status=500))

    page.get_by_role("button", name="slow.example", exact=True).click()

    expect(page.locator("#destination-dialog [role=alert]")).to_contain_text(
        "the server answered 500"
    )


def test_without_a_reading_every_part_says_so(site: Site, open_page, console):
    page = open_page(site, "/email/queue/")
    wait_for_panels(page)

    expect(page.locator("#queue-title")).to_have_text("No mail queue was read in the last 7 days")
    for panel in PANELS:
        expect(page.locator(f"#{panel} [data-part=empty]")).not_to_be_empty()
    assert console == []


def test_an_empty_queue_is_not_an_unknown_one(site: Site, open_page):
    empty = {
        "active_count": 0, "deferred_count": 0, "zones": [], "shares": [], "reasons": [],
        "reasons_of_count": 0, "destinations": [], "destinations_of_count": 0,
        "other_destinations": {"domains_count": 0, "counts": [0] * 7},
        "ages": [{"up_to_s": s, "count": 0} for s in (60, 300, 1800, 3600, 14400, 86400, None)],
    }  # fmt: skip
    post_sample(site, "zonemta", oldest_created_at=None, **empty)
    page = open_page(site, "/email/queue/")
    waits(page, "The queue is empty")
    wait_for_panels(page)

    expect(page.locator("#destinations [data-part=empty]")).to_have_text("Nothing waits.")
    expect(page.locator("#reasons [data-part=empty]")).to_have_text("Nothing is deferred.")
    expect(page.locator('[data-tile="waiting"] .now-figure')).to_have_text("0")


def test_an_old_reading_is_grey_and_says_its_age(site: Site, open_page):
    read(site, ago=timedelta(minutes=20))
    page = open_page(site, "/email/queue/")
    waits(page, "as last read")
    wait_for_panels(page)

    expect(page.locator("#queue-now .read-age")).to_contain_text("stale")
    expect(page.locator('#by-node [data-part="note"]')).to_have_text("read 20 min ago, stale")
    expect(page.locator("#by-node")).to_have_attribute("data-old", "")
    expect(page.locator("#by-node .bars li").first).to_contain_text("stale, 20 min ago")


def test_from_the_api_the_page_says_what_it_cannot_know(site: Site, open_page):
    unknown = dict.fromkeys(
        ["database", "instance", "locked_count", "oldest_created_at", "ages", "shares", "reasons",
         "reasons_of_count", "destinations", "other_destinations", "destinations_of_count"]
    )  # fmt: skip
    post_sample(site, "zonemta", source="api", **unknown)
    page = open_page(site, "/email/queue/")
    waits(page, "9 recipients wait")
    wait_for_panels(page)

    expect(page.locator('[data-tile="oldest"] .now-figure')).to_have_text(DASH)
    expect(page.locator("#destinations [data-part=empty]")).to_contain_text(
        "they come from ZoneMTA"
    )
    expect(page.locator("#queue-now")).to_contain_text("AGENT_ZONEMTA_MONGODB_URI")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_serious(site: Site, open_page, theme):
    read(site)
    site.mail("deferred", 3, to_address="bob@slow.example", status_message="451 later")
    page = open_page(site, f"/email/queue/?theme={theme}")
    waits(page, "9 recipients wait")
    wait_for_panels(page)
    assert find_serious(page) == []

    page.get_by_role("button", name="slow.example", exact=True).click()
    expect(page.locator("#destination-dialog .replies")).to_be_visible()
    assert find_serious(page) == []


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_nothing_is_wider_than_the_window(site: Site, open_page, width):
    read(site)
    page = open_page(site, "/email/queue/")
    page.set_viewport_size({"width": width, "height": 844})
    waits(page, "9 recipients wait")
    wait_for_panels(page)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
