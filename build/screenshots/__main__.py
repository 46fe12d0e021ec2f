"""`python -m build.screenshots`: the pictures of the pages in docs/images.

Starts a server of its own with an invented cluster and takes every page, dark and light, on a wall
screen and on a phone; and the states empty, stale and logged out. The same as PNG are in
.run/screenshots/images, and there alone the printed pages, and with `--states` each page empty and
stale.
"""

import argparse
import base64
import shutil
import signal
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, expect

from build.browser import open_chromium
from build.lab.installation import Installation, start_installation
from build.screenshots.cluster import RECEIVING, SENDING, Cluster
from build.stack.command import run_main
from build.stack.paths import ROOT, RUN
from build.stack.supervisor import Supervisor

HOME = RUN / "screenshots"
STALE_FOR = timedelta(minutes=3, seconds=12)
IMAGES = ROOT / "docs" / "images"
#: Below this a picture shows more of the same.
MAX_HEIGHT = 2_600
#: Counters and fades have ended by then.
SETTLE_MS = 1_200
LOADED_WITHIN_MS = 60_000
WEBP_QUALITY = 75


@dataclass(frozen=True)
class Look:
    """A theme, dark or light, and a window in CSS pixels."""

    theme: str
    width: int
    height: int

    @property
    def name(self) -> str:
        return f"{self.theme}-{self.width}"


WIDE_DARK, WIDE_LIGHT = Look("dark", 1920, 1080), Look("light", 1920, 1080)
PHONE_DARK, PHONE_LIGHT = Look("dark", 390, 844), Look("light", 390, 844)
LOOKS = (WIDE_DARK, WIDE_LIGHT, PHONE_DARK, PHONE_LIGHT)
#: Picture → address.
PAGES = {
    "overview": "/",
    "outbound": "/email/outbound/",
    "inbound": "/email/inbound/",
    "queue": "/email/queue/",
    "performance": "/email/performance/",
    "nodes": "/nodes/",
    "node": f"/nodes/named/{SENDING[0]}/",
    "compare": f"/nodes/compare/?node={SENDING[0]}&node={SENDING[1]}&node={RECEIVING}",
    "heat-map": "/nodes/heat-map/",
    "events": "/events/",
    "incidents": "/alerts/incidents/",
    "incident": "/alerts/incidents/1/",
}


class Camera:
    """Takes pictures of the pages of one site: WebP for the documents, PNG in `drafts`."""

    def __init__(self, browser: Browser, address: str, drafts: Path) -> None:
        self.address = address
        self.session: str | None = None  # of the person who sees the pages
        self._browser = browser
        self._drafts = drafts

    def take(
        self,
        name: str,
        look: Look,
        *,
        path: str,
        state: str = "",
        live: bool = True,
        for_documents: bool = True,
    ) -> None:
        """Take the page at `path` once it is live and all in sight has loaded.

        `state`: wait until its data is in that state, such as stale. Without `live` it has no data.
        """
        ready = f'#page[data-connection="live"]{f"[data-data={state}]" if state else ""}'
        with self._open(look, path) as page:
            if live:
                page.wait_for_selector(ready, timeout=LOADED_WITHIN_MS)
            # As tall as the page: parts that stick to the window's edges are then in their place,
            # and panels in sight load. Again, because charts grow with the window up to a bound.
            height = look.height
            for _ in range(3):
                height = max(height, page.evaluate("document.documentElement.scrollHeight"))
                page.set_viewport_size({"width": look.width, "height": height})
                if live:
                    self._wait_for_panels(page)
            if live:
                page.wait_for_timeout(SETTLE_MS)
                # A busy machine may have lost the connection meanwhile.
                page.wait_for_selector(ready, timeout=LOADED_WITHIN_MS)
            name = f"{name}-{look.name}"
            page.screenshot(path=self._drafts / f"{name}.png", animations="disabled")
            if for_documents:
                write_webp(page, IMAGES / f"{name}.webp", look.width, min(height, MAX_HEIGHT))

    def print(self, name: str, look: Look, *, path: str) -> None:
        """Print the page into `drafts`: a PDF, and a picture of the paper's layout."""
        with self._open(look, path) as page:
            for panel in page.locator("[data-panel]").all():
                panel.scroll_into_view_if_needed()  # or a chart far down is not loaded
            self._wait_for_panels(page)
            page.pdf(path=self._drafts / f"{name}.pdf", prefer_css_page_size=True)
            page.emulate_media(media="print")
            page.wait_for_timeout(SETTLE_MS)
            page.screenshot(path=self._drafts / f"{name}-print.png", full_page=True)

    def _wait_for_panels(self, page: Page) -> None:
        if page.locator('#page[data-empty="true"]').count():
            return
        # A panel that is folded away may load when it is opened.
        for state in (":not([data-loaded])", '[aria-busy="true"]'):
            waiting = page.locator(f"[data-panel]{state}:visible")
            expect(waiting).to_have_count(0, timeout=LOADED_WITHIN_MS)

    @contextmanager
    def _open(self, look: Look, path: str) -> Iterator[Page]:
        window = ViewportSize(width=look.width, height=look.height)
        context = self._browser.new_context(viewport=window, timezone_id="Asia/Bangkok")
        with closing(context):
            if self.session:
                context.add_cookies(
                    [{"name": "sessionid", "value": self.session, "url": self.address}]
                )
            context.add_init_script(f"localStorage.setItem('mallard-theme', '{look.theme}')")
            page = context.new_page()
            page.on("console", lambda message: print(f"  console: {message.text}"))
            page.on("pageerror", lambda error: print(f"  error: {error}"))
            page.goto(f"{self.address}{path}")
            yield page


def write_webp(page: Page, path: Path, width: int, height: int) -> None:
    """A fifth of the PNG's size, and text stays sharp; Playwright itself writes no WebP."""
    clip = {"x": 0, "y": 0, "scale": 1, "width": width, "height": height}
    answer = page.context.new_cdp_session(page).send(
        "Page.captureScreenshot", {"format": "webp", "quality": WEBP_QUALITY, "clip": clip}
    )
    path.write_bytes(base64.b64decode(answer["data"]))
    print(f"  {path.relative_to(ROOT)} {path.stat().st_size:,} bytes", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m build.screenshots", description=__doc__)
    parser.add_argument("--pages", help=f"only these, with commas: {','.join(PAGES)}")
    parser.add_argument("--serve", action="store_true", help="take none, keep the server running")
    parser.add_argument("--states", action="store_true", help="every page empty and stale too")
    options = parser.parse_args()
    shutil.rmtree(HOME, ignore_errors=True)
    drafts = HOME / "images"
    drafts.mkdir(parents=True)
    with Supervisor(HOME) as supervisor, open_chromium() as browser:
        installation = start_installation(supervisor, durable=False, user="admin")
        take_all(Camera(browser, installation.server.url, drafts), installation, options)
    return 0


def take_all(camera: Camera, installation: Installation, options: argparse.Namespace) -> None:
    """Go through the states of the pages, from empty to stale."""
    names = options.pages.split(",") if options.pages else list(PAGES)
    takes_others = not options.pages and not options.serve
    if takes_others:
        camera.take("login", WIDE_DARK, path="/login/", live=False)
    camera.session = installation.log_in()
    if takes_others:
        camera.take("overview-empty", WIDE_DARK, path="/")
    if options.states:
        # Without data there is no node to show.
        take_state(camera, [name for name in names if SENDING[0] not in PAGES[name]], "empty")
    cluster = Cluster(installation)
    cluster.fill()
    with cluster.stream():
        if options.serve:
            print(f"  {camera.address} {installation.user} {installation.password!r}", flush=True)
            signal.pause()
        for name in names:
            for look in LOOKS:
                camera.take(name, look, path=PAGES[name])
            camera.print(name, WIDE_DARK, path=PAGES[name])
    cluster.set_last_seen(datetime.now(UTC) - STALE_FOR)
    if options.states:
        take_state(camera, names, "stale")
    if takes_others:
        camera.take("outbound-stale", WIDE_DARK, path=PAGES["outbound"], state="stale")
        camera.take("not-found", WIDE_DARK, path="/no-such-page", live=False)


def take_state(camera: Camera, names: Iterable[str], state: str) -> None:
    """Take pages as they are now, as drafts alone."""
    data = "stale" if state == "stale" else ""
    for name in names:
        for look in (WIDE_DARK, PHONE_LIGHT):
            camera.take(f"{name}-{state}", look, path=PAGES[name], state=data, for_documents=False)


if __name__ == "__main__":
    run_main(main)
