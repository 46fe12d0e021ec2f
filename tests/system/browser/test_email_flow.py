"""The page in a real browser, beside real web, live and worker processes."""

import contextlib
import re

import pytest
from playwright.sync_api import Locator, Page, expect

from build.deadline import stretch
from tests.system.browser.site import NODE, WITHIN_MS, Site

pytestmark = pytest.mark.browser
expect.set_options(timeout=WITHIN_MS)


def counter(page: Page, name: str):
    return page.locator(f'[data-counter="{name}"] [data-value]')


def share(page: Page, name: str):
    return page.locator(f'[data-counter="{name}"] [data-share]')


def legend(panel: Locator, name: str):
    return panel.locator(f'[data-part="legend"] li[data-name="{name}"] b')


def the_page(page: Page):
    return page.locator("#page")


def test_an_accepted_event_is_counted_on_the_open_page(site: Site, open_page, console):
    page = open_page(site)
    expect(counter(page, "outbound.delivered")).to_have_text("0")
    expect(page.locator('[data-part="verdict-text"]')).to_have_text(
        "1 node reports, no mail in the last 60 minutes"
    )

    site.mail("delivered", 1999)
    site.mail("bounced")

    expect(counter(page, "outbound.delivered")).to_have_text("1,999")
    expect(counter(page, "outbound.bounced")).to_have_text("1")
    expect(share(page, "outbound.delivered")).to_have_text("99.95 %")
    expect(page.locator('[data-part="verdict-text"]')).to_have_text("1 node reports, mail flows")
    assert console == []


def test_the_charts_are_drawn_and_the_rate_follows_the_mail(site: Site, open_page, console):
    page = open_page(site)
    expect(page.locator("[data-loaded] canvas")).to_have_count(3)
    figure = page.locator('[data-rate="outbound:delivered"]')
    expect(figure).to_have_text("0.0 /s")

    for _ in range(5):  # a slow machine may need more than the five seconds a point looks back
        site.mail("delivered", 30)
        with contextlib.suppress(AssertionError):
            expect(figure).not_to_have_text("0.0 /s", timeout=stretch(4_000))
            break
    else:
        pytest.fail("mail was not seen in the rate")

    expect(figure).to_have_text("0.0 /s")
    assert console == []


def test_the_outcomes_are_also_a_table_and_a_file(site: Site, open_page):
    site.mail("delivered", 3)
    site.mail("deferred")
    panel = open_page(site).locator("#outcomes")
    expect(legend(panel, "delivered")).to_have_text("3")

    panel.get_by_role("button", name="as table").click()

    running = panel.locator("tbody tr").first
    expect(running.locator("td")).to_have_text(["3", "1", "0", "0", "4", "0"])
    with panel.page.expect_download() as download:
        panel.get_by_role("button", name="CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0] == "start,delivered,deferred,bounced,rejected,total,inferred"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:00Z,3,1,0,0,4,0", lines[1])


def test_a_lost_connection_is_reported_and_heals_by_itself(site: Site, open_page):
    site.mail("delivered", 5)
    page = open_page(site)
    expect(counter(page, "outbound.delivered")).to_have_text("5")

    site.server.live.kill()

    expect(the_page(page)).to_have_attribute("data-connection", "lost")
    expect(page.locator('[data-part="state"]')).to_contain_text("connection lost")
    expect(page.locator("[data-grey-note]").first).to_contain_text("as of")
    expect(page.locator('[data-part="verdict"]')).to_have_attribute("data-level", "none")
    expect(counter(page, "outbound.delivered")).to_have_text("5")

    site.mail("delivered", 2)
    site.server.live.start_again()

    expect(the_page(page)).to_have_attribute("data-connection", "live")
    expect(counter(page, "outbound.delivered")).to_have_text("7")
    expect(page.locator("[data-grey-note]").first).to_have_text("")


def test_numbers_turn_grey_when_no_node_reported(site: Site, open_page):
    site.mail("delivered", 5)
    page = open_page(site)
    expect(the_page(page)).to_have_attribute("data-data", "fresh")

    site.execute("UPDATE nodes_node SET last_seen_at = now() - interval '3 min 12 s'")

    expect(the_page(page)).to_have_attribute("data-data", "stale")
    expect(page.locator("[data-grey-note]").first).to_contain_text("last data 03:1")
    expect(page.locator('[data-part="verdict-text"]')).to_have_text(
        f"The only node is silent: {NODE} for 3 min"
    )

    site.sample()

    expect(the_page(page)).to_have_attribute("data-data", "fresh")
    expect(page.locator('[data-part="verdict"]')).to_have_attribute("data-level", "ok")


def test_with_no_node_the_page_says_what_to_do_and_notices_the_first_mail(site: Site, open_page):
    site.execute("DELETE FROM nodes_node")
    page = open_page(site)
    expect(page.get_by_role("heading", name="Nothing is watched yet")).to_be_visible()
    expect(counter(page, "outbound.delivered")).to_be_hidden()

    site.sample()
    site.mail("delivered")

    expect(counter(page, "outbound.delivered")).to_have_text("1")
    expect(page.get_by_role("heading", name="Nothing is watched yet")).to_be_hidden()


def test_an_ended_session_is_reported_with_a_way_back(site: Site, open_page):
    page = open_page(site)

    site.execute("DELETE FROM django_session")
    site.server.live.start_again()

    expect(the_page(page)).to_have_attribute("data-connection", "loggedout")
    expect(page.get_by_role("link", name="Log in again")).to_have_attribute(
        "href", "/login/?next=/email/outbound/"
    )


def test_the_theme_is_switched_by_a_key_and_remembered(site: Site, open_page):
    page = open_page(site)
    root = page.locator("html")
    expect(root).to_have_attribute("data-bs-theme", "dark")

    page.keyboard.press("t")
    expect(root).to_have_attribute("data-bs-theme", "light")

    page.reload()
    expect(root).to_have_attribute("data-bs-theme", "light")
    page.keyboard.press("t")
    expect(root).to_have_attribute("data-theme-choice", "auto")
    page.emulate_media(color_scheme="dark")
    expect(root).to_have_attribute("data-bs-theme", "dark")
    page.emulate_media(color_scheme="light")
    expect(root).to_have_attribute("data-bs-theme", "light")


def test_keys_are_listed_and_one_can_walk_the_page_without_a_mouse(site: Site, open_page):
    page = open_page(site)

    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(the_page(page)).to_be_focused()


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_nothing_scrolls_sideways(site: Site, open_page, width, console):
    site.mail("delivered", 1234)
    page = open_page(site)
    page.set_viewport_size({"width": width, "height": 844})
    expect(legend(page.locator("#outcomes"), "delivered")).to_have_text("1,234")

    too_wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")

    assert not too_wide
    assert console == []


def test_numbers_are_there_without_scripts(site: Site, browser, open_page):
    site.mail("delivered", 8)
    expect(counter(open_page(site), "outbound.delivered")).to_have_text("8")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.server.url}/email/outbound/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", "an admin's password")
    page.press("#id_password", "Enter")

    expect(counter(page, "outbound.delivered")).to_have_text("8")
    context.close()


def test_logging_out_leads_to_the_login(site: Site, open_page):
    page = open_page(site)

    page.get_by_label("Account of admin").click()
    page.get_by_role("button", name="Log out").click()

    page.wait_for_url("**/login/")


@pytest.mark.parametrize(
    ("link", "shown"), [("API docs", "/api/v1/events/ingest"), ("Admin", "API keys")]
)
def test_pages_that_others_made_work_under_our_policy(site: Site, open_page, console, link, shown):
    page = open_page(site)

    page.get_by_role("link", name=link).click()

    expect(page.get_by_text(shown).first).to_be_visible()
    assert console == []


def test_of_many_nodes_one_is_found_by_its_name_and_the_link_carries_it(
    site: Site, open_page, console
):
    for i in range(12):
        site.mail("delivered", 3 + i, mta_node=f"mta-{i:02}")
    page = open_page(site)
    panel = page.locator("#by-node")
    expect(panel.locator("[data-part=legend] li")).to_have_count(12)

    panel.get_by_role("searchbox").fill("mta-07")

    page.wait_for_url("**/email/outbound/?find=mta-07")
    swatch = panel.locator('[data-part=legend] li[data-name="mta-07"] .swatch')
    expect(swatch).to_have_attribute("style", re.compile(r"--series-1"))
    page.reload()
    expect(panel.get_by_role("searchbox")).to_have_value("mta-07")
    expect(swatch).to_have_attribute("style", re.compile(r"--series-1"))
    assert console == []


def test_the_rate_has_its_table_of_seconds_as_well(site: Site, open_page):
    page = open_page(site)
    panel = page.locator("#rate")

    panel.get_by_role("button", name="as table").click()

    expect(panel.locator("tbody tr")).to_have_count(300)
    expect(panel.locator("tbody tr").first).to_contain_text("/s")
