"""The pages of nodes in a real browser."""

from datetime import timedelta
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.system.browser.site import (
    KINDS,
    NODE,
    WITHIN_MS,
    Site,
    find_serious,
    load_panels,
    post_sample,
    post_samples_of_an_hour,
    refresh_until,
    wait_for_text,
)

pytestmark = pytest.mark.browser
expect.set_options(timeout=WITHIN_MS)
HOSTILE = '<img src=x onerror="document.title=1">'


def test_a_node_that_falls_silent_turns_offline_on_the_open_page(site: Site, open_page, console):
    post_sample(site, "system")
    page = open_page(site, "/nodes/?refresh=15s")
    wait_for_text(page, "table.nodes .reading", "12.5 %")
    row = page.locator("table.nodes tbody tr")
    expect(row).to_have_attribute("data-status", "online")

    site.execute("UPDATE nodes_node SET last_seen_at = now() - interval '46 s'")
    page.keyboard.press("r")

    expect(row).to_have_attribute("data-status", "offline")
    expect(row.locator(".state")).to_contain_text("offline")
    expect(row.locator(".age")).to_contain_text(" s")
    assert "grayscale" in row.locator(".reading").first.evaluate("e => getComputedStyle(e).filter")
    assert console == []


def test_a_node_that_was_never_seen_is_its_own_state(site: Site, open_page):
    site.execute("UPDATE nodes_node SET last_seen_at = NULL")
    page = open_page(site, "/nodes/")

    expect(page.locator("table.nodes .state")).to_contain_text("never seen")
    expect(page.locator("table.nodes .age")).to_contain_text("none yet")


def test_sorting_filters_and_back(site: Site, open_page):
    post_sample(site, "system", cpu_percent=10.0)
    post_sample(site, "system", node="mta-02", cpu_percent=90.0)
    page = open_page(site, "/nodes/")
    wait_for_text(page, "#nodes-title", "2 nodes")
    names = page.locator("table.nodes .name a")

    page.get_by_role("link", name="CPU").click()
    expect(names).to_have_text(["mta-02", NODE])
    page.get_by_role("link", name="CPU").click()
    expect(names).to_have_text([NODE, "mta-02"])
    page.go_back()
    expect(names).to_have_text(["mta-02", NODE])

    page.keyboard.press("/")
    page.keyboard.type("mta-02")
    page.keyboard.press("Enter")
    expect(names).to_have_text(["mta-02"])
    expect(page).to_have_url(f"{site.server.url}/nodes/?sort=-cpu&q=mta-02")


def test_a_choice_outlives_a_refresh_and_leads_to_the_comparison(site: Site, open_page, console):
    post_sample(site, "system")
    post_sample(site, "system", node="mta-02")
    page = open_page(site, "/nodes/?range=1h")
    wait_for_text(page, "#nodes-title", "2 nodes")
    compare = page.get_by_role("button", name="Compare selected")
    expect(compare).to_be_disabled()

    page.get_by_label(f"Compare {NODE}").check()
    with page.expect_response("**/nodes/?range=1h"):
        page.locator('[data-part="refresh"]').click()
    expect(page.get_by_label(f"Compare {NODE}")).to_be_checked()
    page.get_by_label("Compare mta-02").check()
    compare.click()

    page.wait_for_url("**/nodes/compare/?range=1h&node=*&node=*")
    load_panels(page)
    legend = page.locator('#cpu_percent [data-part="legend"]')
    expect(legend).to_contain_text("mta-02")
    expect(legend).to_contain_text("12.5 %")
    assert console == []


def test_a_node_shows_a_chart_of_each_source_with_its_table(site: Site, open_page, console):
    post_samples_of_an_hour(site)
    page = open_page(site, f"/nodes/named/{NODE}/?range=1h")
    # Until the worker has written the samples of all kinds.
    kinds = page.locator(".kind")
    refresh_until(page, lambda: kinds.count() == len(KINDS), refresh=page.reload)
    for kind in KINDS:
        expect(page.locator(f"#kind-{kind}")).to_have_count(1)
    load_panels(page)

    expect(page.locator("[data-panel] [data-part=error]:visible")).to_have_count(0)
    memory = page.locator("#redis-memory")
    expect(memory.locator("canvas")).to_have_count(1)
    memory.get_by_role("button", name="as table").click()
    expect(memory.locator("[data-part=table] tbody")).to_contain_text("105 MB")
    expect(page.locator("#node-sources")).to_contain_text("nothing answers at 127.0.0.1:8080")
    expect(page.locator("#node-ports")).to_contain_text("11334")
    assert console == []


def test_a_node_without_samples_says_so_and_its_charts_too(site: Site, open_page, console):
    site.execute("UPDATE nodes_node SET last_seen_at = NULL")
    page = open_page(site, f"/nodes/named/{NODE}/")
    load_panels(page)

    expect(page.locator("#node-now")).to_contain_text("no sample ever came")
    expect(page.locator("#cpu [data-part=empty]")).to_have_text("No reading in this range.")
    assert console == []


def test_the_heat_map_has_a_row_for_each_node_and_its_reading_is_in_the_address(
    site: Site, open_page, console
):
    post_sample(site, "system", ago=timedelta(minutes=30))
    post_sample(site, "system", node="mta-02", cpu_percent=90.0, ago=timedelta(minutes=30))
    page = open_page(site, "/nodes/heat-map/?range=1h")
    rows = page.locator(".heat-time tbody tr")
    refresh_until(page, lambda: rows.count() == 2)
    expect(rows.locator("th")).to_have_text(["mta-02", NODE])

    page.locator("#reading").select_option("load_1m")

    expect(page).to_have_url(f"{site.server.url}/nodes/heat-map/?range=1h&reading=load_1m")
    newest = rows.first.locator(".now-value")
    expect(newest).to_contain_text("0.50")
    # What may follow is how old it is.
    assert newest.evaluate("cell => cell.firstChild.textContent") == "0.50"
    page.go_back()
    expect(page.locator("#reading")).to_have_value("cpu_percent")
    assert console == []


def test_a_hostile_name_is_text_on_every_page(site: Site, open_page, console):
    site.execute("UPDATE nodes_node SET name = %s, role = %s", HOSTILE, HOSTILE)
    post_sample(site, "system", node=HOSTILE, ago=timedelta(minutes=1))
    page = open_page(site, "/nodes/")
    expect(page.locator("table.nodes .name a")).to_have_text(HOSTILE)

    for path in (
        f"/nodes/named/{quote(HOSTILE, safe='')}/",
        f"/nodes/compare/?node={quote(HOSTILE, safe='')}",
        "/nodes/heat-map/",
    ):
        page.goto(f"{site.server.url}{path}")
        load_panels(page)
        assert page.locator("img[src=x]").count() == 0
        assert page.get_by_text("<img src=x").count() > 0
    assert page.title() != "1"
    assert console == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_serious(site: Site, open_page, theme):
    post_samples_of_an_hour(site)
    post_sample(site, "system", node="mta-02", ago=timedelta(minutes=9))
    page = open_page(site, f"/nodes/?theme={theme}")
    wait_for_text(page, "#nodes-title", "2 nodes")
    assert find_serious(page) == []
    for path in (
        f"/nodes/named/{NODE}/?theme={theme}",
        f"/nodes/compare/?node={NODE}&node=mta-02&theme={theme}",
        f"/nodes/heat-map/?theme={theme}",
    ):
        page.goto(f"{site.server.url}{path}")
        load_panels(page)
        assert find_serious(page) == []


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_nothing_is_wider_than_the_window(site: Site, open_page, width):
    post_samples_of_an_hour(site)
    post_sample(site, "system", node="n" * 64)
    page = open_page(site, "/nodes/")
    page.set_viewport_size({"width": width, "height": 844})
    wait_for_text(page, "#nodes-title", "2 nodes")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for path in (
        f"/nodes/named/{NODE}/",
        f"/nodes/compare/?node={NODE}&node={'n' * 64}",
        "/nodes/heat-map/",
    ):
        page.goto(f"{site.server.url}{path}")
        load_panels(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_is_being_typed_survives_a_refresh(site: Site, open_page):
    post_sample(site, "system")
    page = open_page(site, "/nodes/?range=1h")
    page.locator("#nodes-search").press_sequentially("mta")

    with page.expect_response("**/nodes/?range=1h"):
        page.get_by_role("button", name="Refresh", exact=True).click()
    page.locator("#nodes-search").focus()
    with page.expect_response("**/nodes/?range=1h"):
        page.evaluate("document.querySelector('[data-part=refresh]').click()")

    expect(page.locator("#nodes-search")).to_have_value("mta")
    expect(page.locator("#nodes-search")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.server.url}/nodes/?range=1h&q=mta")
