"""Rules of every page, in a real browser: states, URL, keys, accessibility, hostile text."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from build.package.assets import BUDGET_BYTES, MODULES
from tests.system.browser.site import NODE, WITHIN_MS, Site, count_dom, hide, post_mail_of_all_kinds
from tests.waiting import until

pytestmark = pytest.mark.browser
expect.set_options(timeout=WITHIN_MS)

PAGES = ["/", "/email/outbound/", "/email/inbound/", "/email/performance/"]
AXE = MODULES / "axe-core" / "axe.min.js"
#: Of another visit: the page itself and its answers.
AGAIN_BYTES = 60_000
HOSTILE = '<img src=x onerror="document.title=1">'


def wait_for_panels(page: Page) -> None:
    """Wait until every panel shows its answer."""
    expect(page.locator("[data-panel]:not([data-loaded])")).to_have_count(0)
    expect(page.locator('[data-panel][aria-busy="true"]')).to_have_count(0)


def record_urls(page: Page) -> list[str]:
    """Note the addresses of the read API that the page requests from now on."""
    seen: list[str] = []
    page.on("request", lambda r: seen.append(r.url) if "/api/v1/" in r.url else None)
    return seen


@pytest.mark.parametrize("path", PAGES)
def test_with_data_every_panel_shows_it(site: Site, open_page, console, path):
    post_mail_of_all_kinds(site)
    page = open_page(site, path)
    wait_for_panels(page)

    expect(page.locator("[data-panel] [data-part=error]:visible")).to_have_count(0)
    expect(page.locator("[data-panel][data-none]")).to_have_count(0)
    assert console == []


@pytest.mark.parametrize("path", PAGES)
def test_without_mail_every_panel_says_that_there_is_none(site: Site, open_page, console, path):
    page = open_page(site, path)
    wait_for_panels(page)

    empty = page.locator("[data-panel] [data-part=empty]:visible")
    assert empty.count() >= page.locator("[data-panel]").count() - 2  # nodes, and the live rate
    assert all(empty.all_inner_texts())
    assert console == []


@pytest.mark.parametrize("path", PAGES)
def test_stale_numbers_are_grey_and_say_how_old_they_are(site: Site, open_page, path):
    post_mail_of_all_kinds(site)
    site.execute("UPDATE nodes_node SET last_seen_at = now() - interval '3 min 12 s'")
    page = open_page(site, path)
    wait_for_panels(page)

    expect(page.locator("#page")).to_have_attribute("data-data", "stale")
    expect(page.locator('[data-part="verdict-text"]')).to_contain_text(
        f"The only node is silent: {NODE} for 3 min"
    )
    grey = page.locator(".live-data, .range-data").first
    assert "grayscale" in grey.evaluate("e => getComputedStyle(e).filter")


def test_what_ended_before_the_last_sample_is_not_stale(site: Site, open_page):
    site.execute("UPDATE nodes_node SET last_seen_at = now() - interval '3 min'")
    page = open_page(site, "/email/outbound/?from=2026-11-01T00:00:00Z&to=2026-11-01T12:00:00Z")
    expect(page.locator("#page")).to_have_attribute("data-data", "stale")

    panel = page.locator("#outcomes .range-data")
    assert panel.evaluate("e => getComputedStyle(e).filter") == "none"


@pytest.mark.parametrize("path", PAGES)
def test_a_failed_answer_is_reported_with_its_reason_and_a_way_to_try_again(
    site: Site, open_page, path
):
    page = open_page(site, "/login/?next=" + path, state="")
    page.route("**/api/v1/**", lambda route: route.fulfill(status=500))
    page.goto(f"{site.server.url}{path}")

    error = page.locator("[data-panel] [data-part=error]:visible").first
    expect(error).to_contain_text("the server answered 500")

    page.unroute("**/api/v1/**")
    failed = page.locator("[data-panel]", has=page.locator("[data-part=error]:visible")).first
    panel = page.locator(f"#{failed.get_attribute('id')}")
    panel.get_by_role("button", name="Try again").click()
    expect(panel).to_have_attribute("data-loaded", "")


def test_when_a_later_question_fails_the_old_numbers_stay_and_say_of_when_they_are(
    site: Site, open_page
):
    post_mail_of_all_kinds(site)
    page = open_page(site)
    wait_for_panels(page)
    page.route("**/api/v1/email/throughput**", lambda route: route.abort())

    page.keyboard.press("r")

    panel = page.locator("#outcomes")
    expect(panel.locator('[data-part="stale"]')).to_contain_text("the server cannot be reached")
    expect(panel.locator('li[data-name="delivered"] b')).to_have_text("60")

    page.unroute("**/api/v1/email/throughput**")
    page.keyboard.press("r")
    expect(panel.locator('[data-part="stale"]')).to_have_text("")


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_serious(site: Site, open_page, path, theme):
    post_mail_of_all_kinds(site)
    page = open_page(site, f"{path}?theme={theme}")
    wait_for_panels(page)

    page.evaluate(AXE.read_text())  # as a debugger would: the page's policy allows no script
    result = page.evaluate("axe.run({resultTypes: ['violations']})")

    serious = [
        f"{v['impact']} {v['id']}: {[n['html'][:200] for n in v['nodes'][:3]]}"
        for v in result["violations"]
        if v["impact"] in {"serious", "critical"}
    ]
    assert serious == []


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("width", [390, 800, 1280])
def test_nothing_is_wider_than_the_window(site: Site, open_page, path, width):
    post_mail_of_all_kinds(site)
    page = open_page(site, path)
    page.set_viewport_size({"width": width, "height": 844})
    wait_for_panels(page)

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_range_lives_in_the_url_and_back_is_right(site: Site, open_page):
    page = open_page(site)
    wait_for_panels(page)
    urls = record_urls(page)

    page.locator("[data-menu=range] summary").click()
    page.get_by_role("link", name="Last 7 days").click()

    expect(page).to_have_url(f"{site.server.url}/email/outbound/?range=7d")
    expect(page.locator('[data-part="range-label"]')).to_have_text("Last 7 days")
    wait_for_panels(page)
    assert all("range=7d" in url for url in urls)
    assert urls

    page.go_back()

    expect(page).to_have_url(f"{site.server.url}/email/outbound/")
    expect(page.locator('[data-part="range-label"]')).to_have_text("Last 24 h")
    wait_for_panels(page)
    assert "range=24h" in urls[-1]


def test_a_link_of_the_navigation_carries_range_zone_and_refresh(site: Site, open_page):
    page = open_page(site, "/email/outbound/?range=7d&tz=UTC&refresh=5m&sort=p95")

    page.get_by_role("link", name="Performance").click()

    expect(page).to_have_url(f"{site.server.url}/email/performance/?range=7d&refresh=5m&tz=UTC")
    expect(page.locator('[data-part="range-label"]')).to_have_text("Last 7 days")
    expect(page.locator("#clock")).to_contain_text("UTC")


def test_a_range_of_ones_own_is_queried_in_the_chosen_zone(site: Site, open_page):
    page = open_page(site, "/email/outbound/?tz=Asia/Bangkok")
    page.locator("[data-menu=range] summary").click()
    form = page.locator('[data-part="custom-range"]')

    form.get_by_label("From").fill("2026-11-20T10:00")
    form.get_by_label("To").fill("2026-11-20T09:00")
    form.get_by_role("button").click()
    expect(page.locator('[data-part="custom-error"]')).to_contain_text("not before")

    form.get_by_label("To").fill("2026-11-20T12:30")
    form.get_by_role("button").click()

    expect(page).to_have_url(
        f"{site.server.url}/email/outbound/"
        "?tz=Asia%2FBangkok&from=2026-11-20T03:00:00Z&to=2026-11-20T05:30:00Z"
    )
    expect(page.locator('[data-part="range-label"]')).to_have_text(
        re.compile("2026-11-20 10:00 . 12:30")
    )


def test_dragging_in_a_chart_zooms_in_and_a_double_click_goes_back(site: Site, open_page):
    post_mail_of_all_kinds(site)
    page = open_page(site)
    wait_for_panels(page)
    box = page.locator("#outcomes .chart").bounding_box()
    middle = box["y"] + box["height"] / 2

    page.mouse.move(box["x"] + box["width"] * 0.3, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, middle, steps=5)
    page.mouse.up()

    page.wait_for_url("**/email/outbound/?from=*&to=*")
    wait_for_panels(page)

    page.mouse.dblclick(box["x"] + box["width"] / 2, middle)
    expect(page).to_have_url(f"{site.server.url}/email/outbound/")


def test_a_click_in_a_chart_leads_to_the_events_behind_it(site: Site, open_page):
    post_mail_of_all_kinds(site)
    page = open_page(site, "/email/outbound/?range=1h")
    wait_for_panels(page)
    chart = page.locator("#by-node .chart")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()

    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    page.wait_for_url(f"**/events/?from=*&to=*&direction=outbound&mta_node={NODE}*")


def test_pointing_into_one_chart_shows_the_same_moment_in_the_others(site: Site, open_page):
    post_mail_of_all_kinds(site)
    page = open_page(site)
    wait_for_panels(page)

    box = page.locator("#outcomes .chart").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    expect(page.locator("#by-node .cross-hair")).to_be_visible()
    expect(page.locator(".chart-tooltip:visible")).to_contain_text("delivered")
    page.mouse.move(5, 5)
    expect(page.locator("#by-node .cross-hair")).to_be_hidden()


def test_keys_lead_everywhere(site: Site, open_page):
    page = open_page(site, "/?range=7d")
    page.wait_for_load_state()  # before it nobody listens to keys

    page.keyboard.press("g")
    page.keyboard.press("p")
    expect(page).to_have_url(f"{site.server.url}/email/performance/?range=7d")
    page.wait_for_load_state()

    page.keyboard.press("g")
    page.keyboard.press("n")
    expect(page).to_have_url(f"{site.server.url}/nodes/?range=7d")
    page.wait_for_load_state()

    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page).to_have_url(f"{site.server.url}/?range=7d")
    page.wait_for_load_state()

    page.keyboard.press("/")
    page.wait_for_url("**/events/?range=7d")


def test_r_refreshes_and_full_screen_is_a_key(site: Site, open_page):
    page = open_page(site)
    wait_for_panels(page)
    urls = record_urls(page)

    page.keyboard.press("r")
    wait_for_panels(page)
    assert urls

    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement !== null")


def test_a_table_is_sorted_by_a_click_and_the_url_remembers(site: Site, open_page):
    site.mail("delivered", 5, to_address="a@many.example", delivery_time_ms=100)
    site.mail("delivered", 2, to_address="a@slow.example", delivery_time_ms=9_000)
    page = open_page(site, "/email/performance/")
    names = page.locator("#destinations tbody th")
    expect(names).to_have_text(["many.example", "slow.example"])

    page.locator("#destinations").get_by_role("button", name="average").click()

    expect(names).to_have_text(["slow.example", "many.example"])
    page.reload()
    expect(names).to_have_text(["slow.example", "many.example"])


def test_gauges_say_in_words_what_their_colour_says(site: Site, open_page):
    site.mail("delivered", 9, delivery_time_ms=4_000)
    page = open_page(site, "/email/performance/")
    gauge = page.locator('[data-gauge="average"]')

    expect(gauge.locator(".gauge-number")).to_have_text("4.0 s")
    expect(gauge.locator(".gauge-word")).to_have_text("slow")
    expect(gauge).to_have_attribute("data-level", "warning")


def test_a_destination_that_defers_is_in_the_verdict_with_its_words(site: Site, open_page):
    page = open_page(site, "/")
    wait_for_panels(page)

    site.mail("deferred", 20, to_address="b@slow.example", bounce_message=f"451 4.7.1 {HOSTILE}")
    expect(page.locator('[data-tile="bounced"] [data-text]')).to_have_text("0 %")
    page.keyboard.press("r")

    expect(page.locator('[data-part="verdict-text"]')).to_contain_text("slow.example defers since")
    expect(page.locator("#trouble .words-cut")).to_have_text(f"451 4.7.1 {HOSTILE}")
    assert "Overview" in page.title()


def test_inbound_tells_spam_apart_and_who_refuses(site: Site, open_page):
    post_mail_of_all_kinds(site)
    page = open_page(site, "/email/inbound/")
    wait_for_panels(page)

    legend = page.locator("#outcomes [data-part=legend]")
    expect(legend.locator('li[data-name="spam"] b')).to_have_text("6")
    expect(legend.locator('li[data-name="delivered"] b')).to_have_text("20")
    expect(page.locator("#plugins .bar-name")).to_have_text(["rspamd", "greylist"])
    expect(page.locator("#symbols .bar-name")).to_have_text(["BAYES_SPAM"])


@pytest.mark.parametrize("path", PAGES)
def test_names_and_words_of_strangers_are_text(site: Site, open_page, console, path):
    name = f"{HOSTILE}.example"
    site.execute("UPDATE nodes_node SET name = %s", HOSTILE)
    site.mail(
        "delivered",
        5,
        to_address=f"b@{name}",
        from_address=f"a@{name}",
        delivery_time_ms=5,
        mta_node=HOSTILE,
    )
    site.mail("deferred", 15, to_address=f"b@{name}", bounce_message=HOSTILE, mta_node=HOSTILE)
    site.mail("rejected", 2, direction="inbound", bounce_category=HOSTILE, spam_symbols=[HOSTILE])
    page = open_page(site, path)
    wait_for_panels(page)

    assert page.locator("img[src=x]").count() == 0
    assert page.get_by_text("<img src=x").count() > 0
    assert console == []


def test_a_hidden_tab_requests_nothing_and_catches_up_in_sight(site: Site, open_page):
    page = open_page(site)
    wait_for_panels(page)
    page.clock.install()
    hide(page, hidden=True)
    expect(page.locator("#page")).to_have_attribute("data-connection", "paused")
    urls = record_urls(page)

    page.clock.run_for(10 * 60_000)
    assert urls == []

    hide(page, hidden=False)
    expect(page.locator("#page")).to_have_attribute("data-connection", "live")
    page.clock.run_for(1_000)
    wait_for_panels(page)
    assert urls


@pytest.mark.parametrize("path", PAGES)
def test_a_page_that_is_left_open_does_not_grow(site: Site, open_page, path):
    post_mail_of_all_kinds(site)
    page = open_page(site, path)
    wait_for_panels(page)
    devtools = page.context.new_cdp_session(page)
    page.keyboard.press("r")
    wait_for_panels(page)
    before = count_dom(devtools)

    for _ in range(20):
        page.keyboard.press("r")
        wait_for_panels(page)

    def is_small_again() -> bool:
        # An answer drawn a moment ago may still stand beside the one it replaces.
        after = count_dom(devtools)
        return (
            after["nodes"] <= before["nodes"] * 1.1 + 100
            and after["jsEventListeners"] <= before["jsEventListeners"] * 1.1 + 20
        )

    until(is_small_again, what="the nodes of the first draw")


@pytest.mark.parametrize("path", PAGES)
def test_a_first_visit_stays_within_its_budget_and_a_second_loads_no_file(
    site: Site, open_page, path
):
    post_mail_of_all_kinds(site)
    page = open_page(site, path)
    wait_for_panels(page)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send("Network.clearBrowserCache")
    received: list[float] = []
    devtools.on("Network.loadingFinished", lambda e: received.append(e["encodedDataLength"]))

    page.goto(f"{site.server.url}{path}")
    wait_for_panels(page)
    first = sum(received)
    received.clear()
    page.goto(f"{site.server.url}{path}")
    wait_for_panels(page)

    assert first <= BUDGET_BYTES
    assert sum(received) <= AGAIN_BYTES


def test_a_link_that_was_copied_shows_the_same_range_to_everybody(site: Site, open_page):
    page = open_page(site, "/email/outbound/?range=1h")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    page.locator("#outcomes").get_by_role("button", name="copy link").click()

    expect(page.locator("#toasts")).to_contain_text("Link copied")
    link = page.evaluate("navigator.clipboard.readText()")
    assert "from=" in link
    assert "to=" in link
    assert "tz=" in link
    assert link.endswith("#outcomes")


def test_motion_is_left_out_where_it_is_not_wanted(site: Site, open_page):
    page = open_page(site)
    page.emulate_media(reduced_motion="reduce")
    shown = page.locator('[data-counter="outbound.delivered"] [data-value]')
    page.evaluate(
        "shown => { window.seen = [];"
        " new MutationObserver(() => seen.push(shown.textContent))"
        ".observe(shown, {childList: true, characterData: true, subtree: true}); }",
        shown.element_handle(),
    )

    site.mail("delivered", 5000)

    expect(shown).to_have_text("5,000")
    assert len(json.loads(page.evaluate("JSON.stringify(seen)"))) <= 5
