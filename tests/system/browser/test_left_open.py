"""Pages the server paints, left open: they stay as large as they are, and rest out of sight."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Page, Request, expect

from tests.system.browser.site import (
    NODE,
    WITHIN_MS,
    Site,
    count_dom,
    hide,
    load_panels,
    post_mail_of_all_kinds,
    post_samples_of_an_hour,
)

pytestmark = pytest.mark.browser
expect.set_options(timeout=WITHIN_MS)
PAGES = ["/email/queue/", "/nodes/", f"/nodes/named/{NODE}/", "/events/"]
STEP_MS = 25


class Traffic:
    """Requests of a page, other than by its socket."""

    def __init__(self, page: Page) -> None:
        self.urls: list[str] = []
        self._page = page
        self._open: set[Request] = set()
        page.on("request", self._on_begin)
        page.on("requestfinished", self._on_end)
        page.on("requestfailed", self._on_end)

    def _on_begin(self, request: Request) -> None:
        self.urls.append(request.url)
        self._open.add(request)

    def _on_end(self, request: Request) -> None:
        self._open.discard(request)

    def after(self, action: Callable[[], None]) -> None:
        """Do something that makes the page send requests, and wait until all are answered."""
        before = len(self.urls)
        action()
        for _ in range(WITHIN_MS // STEP_MS):
            self._page.wait_for_timeout(STEP_MS)
            if len(self.urls) > before and not self._open:
                return
        pytest.fail(f"not answered: {[request.url for request in self._open]}")


@pytest.fixture
def left_open(site: Site, open_page) -> Callable[[str], Page]:
    """Open a page with something on it, all its charts loaded."""

    def leave_open(path: str) -> Page:
        post_mail_of_all_kinds(site)
        post_samples_of_an_hour(site)
        page = open_page(site, path)
        load_panels(page)
        return page

    return leave_open


@pytest.mark.parametrize("path", PAGES)
def test_a_page_that_is_left_open_does_not_grow(left_open, console, path):
    page = left_open(path)
    traffic = Traffic(page)
    devtools = page.context.new_cdp_session(page)
    for _ in range(2):
        traffic.after(lambda: page.keyboard.press("r"))
    before = count_dom(devtools)

    for _ in range(20):
        traffic.after(lambda: page.keyboard.press("r"))

    after = count_dom(devtools)
    assert after["nodes"] <= before["nodes"] * 1.1 + 100
    assert after["jsEventListeners"] <= before["jsEventListeners"] * 1.1 + 20
    assert console == []


@pytest.mark.parametrize("path", ["/", "/email/outbound/", *PAGES])
def test_a_hidden_tab_requests_nothing_and_is_current_once_in_sight(page: Page, left_open, path):
    page.clock.install()  # before the page sets any timer, or those would be the real clock's
    left_open(path)
    hide(page, hidden=True)
    expect(page.locator("#page")).to_have_attribute("data-connection", "paused")
    traffic = Traffic(page)

    page.clock.run_for(timedelta(minutes=10).total_seconds() * 1_000)
    assert traffic.urls == []

    def come_back() -> None:
        hide(page, hidden=False)
        expect(page.locator("#page")).to_have_attribute("data-connection", "live")
        if path == "/events/":  # a list that one reads moves only on request
            page.keyboard.press("r")
        else:
            page.clock.run_for(1_000)

    traffic.after(come_back)


def test_keys_work_while_a_box_or_a_link_has_the_focus(left_open):
    page = left_open("/nodes/")
    traffic = Traffic(page)

    page.locator('input[name="node"]').first.focus()
    traffic.after(lambda: page.keyboard.press("r"))
    page.locator("table.nodes .name a").first.focus()
    traffic.after(lambda: page.keyboard.press("r"))

    urls = len(traffic.urls)
    page.locator('input[name="q"]').fill("r")
    page.locator('input[name="q"]').press("r")
    assert page.locator('input[name="q"]').input_value() == "rr"
    assert len(traffic.urls) == urls


def test_a_restart_a_version_and_a_silence_stand_in_charts_and_their_tables(
    site: Site, left_open, console
):
    site.post("nodes", {"node_id": NODE, "hostname": "h", "agent_version": "0.1.0"})
    site.post("nodes", {"node_id": NODE, "hostname": "h", "agent_version": "0.2.0"})
    site.execute(
        "INSERT INTO nodes_change (node_id, kind, subject, at, ended_at, before, after)"
        " SELECT id, 'silent', 'host', now() - interval '50 min', now() - interval '42 min', '', ''"
        " FROM nodes_node"
    )
    page = left_open("/email/outbound/?range=6h")
    panel = page.locator("#outcomes")

    panel.get_by_role("button", name="as table").click()
    marks = panel.locator(".mark-list li")
    expect(marks.filter(has_text=f"{NODE}: silent")).to_have_count(1)
    expect(marks.filter(has_text=f"{NODE}: back after 8 min")).to_have_count(1)
    expect(marks.filter(has_text=f"{NODE}: agent 0.1.0 → 0.2.0")).to_have_count(1)

    page.route("**/api/v1/changes**", lambda route: route.fulfill(status=500))
    page.keyboard.press("r")
    expect(panel.locator('[data-part="stale"]')).to_have_text(
        "restarts, silences and incidents are not shown: the server answered 500"
    )
    expect(panel).not_to_have_attribute("data-outdated", "")


def test_a_node_has_a_chart_of_its_share_of_the_queue(left_open):
    page = left_open(f"/nodes/named/{NODE}/?range=1h")
    panel = page.locator("#queue-share")

    shown = panel.locator("[data-part=legend] li")
    expect(shown).to_have_text([re.compile("its own share 5"), re.compile("3"), re.compile("9")])
    panel.get_by_role("button", name="as table").click()
    expect(panel.locator("tbody tr").first).to_be_visible()


def test_on_paper_the_page_is_light_without_menus_and_tells_its_time(left_open):
    page = left_open(f"/nodes/named/{NODE}/?tz=Asia/Bangkok")
    page.emulate_media(media="print")

    note = page.locator('[data-part="print-note"]')
    expect(note).to_contain_text(re.compile(r"Time range 20\d\d-.* \(UTC\+7, Asia/Bangkok\)"))
    expect(page.locator(".side, .top-tools, .card-tools").filter(visible=True)).to_have_count(0)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    cut = page.evaluate(
        "[...document.querySelectorAll('.chart canvas')].filter("
        "c => c.getBoundingClientRect().right > c.closest('.panel').getBoundingClientRect().right"
        ").length"
    )
    assert cut == 0
    assert page.pdf().startswith(b"%PDF")

    page.emulate_media(media="screen")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    expect(note).to_be_hidden()
