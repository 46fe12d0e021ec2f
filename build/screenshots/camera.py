"""Pictures of pages in Chromium, logged in, once all they show has loaded."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from build.stack.paths import ROOT

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
        with self._page(look) as page:
            page.goto(f"{self.address}{path}")
            if live:
                page.wait_for_selector(ready, timeout=LOADED_WITHIN_MS)
            # As tall as the page: parts that stick to the window's edges are then in their place,
            # and panels in sight load. Again, because charts grow with the window up to a bound.
            for _ in range(3):
                height = page.evaluate("document.documentElement.scrollHeight")
                page.set_viewport_size({"width": look.width, "height": max(height, look.height)})
                if live:
                    self._wait_for_panels(page)
            if live:
                page.wait_for_timeout(SETTLE_MS)
                # A busy machine may have lost the connection meanwhile.
                page.wait_for_selector(ready, timeout=LOADED_WITHIN_MS)
            self._shoot(page, f"{name}-{look.name}", for_documents=for_documents)

    def print(self, name: str, look: Look, *, path: str) -> None:
        """Print the page into `drafts`: a PDF, and a picture of the paper's layout."""
        with self._page(look) as page:
            page.goto(f"{self.address}{path}")
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
    def _page(self, look: Look) -> Iterator[Page]:
        context = self._browser.new_context(
            viewport={"width": look.width, "height": look.height},
            timezone_id="Asia/Bangkok",
        )
        if self.session:
            context.add_cookies([{"name": "sessionid", "value": self.session, "url": self.address}])
        context.add_init_script(f"localStorage.setItem('mallard-theme', '{look.theme}')")
        page = context.new_page()
        page.on("console", lambda message: print(f"  console: {message.text}"))
        page.on("pageerror", lambda error: print(f"  error: {error}"))
        try:
            yield page
        finally:
            context.close()

    def _shoot(self, page: Page, name: str, *, for_documents: bool = True) -> None:
        page.screenshot(path=self._drafts / f"{name}.png", animations="disabled")
        if not for_documents:
            return
        # A fifth of the PNG's size, and text stays sharp; Playwright itself writes no WebP.
        size = page.viewport_size or {"width": 0, "height": MAX_HEIGHT}
        clip = {"x": 0, "y": 0, "scale": 1, **size, "height": min(size["height"], MAX_HEIGHT)}
        answer = page.context.new_cdp_session(page).send(
            "Page.captureScreenshot", {"format": "webp", "quality": WEBP_QUALITY, "clip": clip}
        )
        path = IMAGES / f"{name}.webp"
        path.write_bytes(base64.b64decode(answer["data"]))
        print(f"  {path.relative_to(ROOT)} {path.stat().st_size:,} bytes", flush=True)
