"""`python -m build.bench_pages` (`make bench-pages`): how soon a page is usable, how heavy it is.

Fills a database of its own once (`manage.py fill`, kept in .run/bench-pages), starts the server as
production would, and opens pages in Chromium over loopback, each in a browser that was never here
and again in one that was. A page is usable when every panel in sight shows its numbers and charts
are on the screen. The last line of standard output is JSON.
"""

import argparse
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from playwright.sync_api import Browser, Page, sync_playwright

from build import assets
from build.bench.arrangement import say
from build.screenshots import CHROMIUM_ARGUMENTS, chromium
from build.stack import claim, postgres, redis, server
from build.stack.errors import AlreadyRunningError, StackError
from build.stack.paths import RUN
from build.stack.supervisor import Supervisor, end_on_signals, leaving_no_child

HOME = RUN / "bench-pages"
#: One more with each run: the database is kept.
USER, PASSWORD = f"bench-{secrets.token_hex(4)}", "only for this benchmark"
VIEWPORT_WIDTH, VIEWPORT_HEIGHT = 1920, 1080
USABLE_WITHIN_MS = 60_000
#: So long what was filled is taken for current: the charts then end a little before now.
FILLED_FOR_S = 3 * 3600
PAGES = {
    "overview 24 h": "/",
    "outbound 24 h": "/email/outbound/",
    "outbound 30 d": "/email/outbound/?range=30d",
}
#: Runs in the page before anything of it: notes when all panels in sight show their answer, and two
#: frames later, when what they drew is on the screen, how long that took since the page was asked.
WATCH = """(() => {
  const shown = panel => {
    const box = panel.getBoundingClientRect();
    return box.top < innerHeight && box.bottom > 0;
  };
  const done = () => {
    const panels = [...document.querySelectorAll('[data-panel]')];
    return panels.length && panels.filter(shown).every(panel => 'loaded' in panel.dataset);
  };
  const look = () => {
    if (window.usableMs || !document.body || !done()) return;
    observer.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => {
      window.usableMs = performance.now();
      document.documentElement.dataset.usable = '';
    }));
  };
  const observer = new MutationObserver(look);
  observer.observe(document, {subtree: true, childList: true, attributeFilter: ['data-loaded']});
})()"""
MEASURED = """() => ({
  firstByteMs: performance.getEntriesByType('navigation')[0].responseStart,
  paintMs: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null,
  usableMs: window.usableMs})"""


@dataclass(frozen=True)
class Visit:
    """One opening of one page. Times in ms since it was asked for, bytes as they came."""

    first_byte_ms: float
    paint_ms: float
    usable_ms: float
    received_bytes: int


#: Page → of each round the first visit and the second.
Found = dict[str, list[tuple[Visit, Visit]]]


def main() -> int:
    """Fill, open, report; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m build.bench_pages", description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--events-per-day", type=int, default=50_000)
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5, help="of which the median is told")
    parser.add_argument("--fill-only", action="store_true", help="fill the database and end")
    options = parser.parse_args()
    end_on_signals()
    try:
        return assets.main() or run(options)
    except AlreadyRunningError:
        say("mallard: this benchmark runs already")
    except StackError as error:
        say(f"mallard: {error}")
    return 1


def run(options: argparse.Namespace) -> int:
    """Start everything and measure."""
    key = f"{options.days}-{options.events_per_day}-{options.nodes}"
    home = HOME / key
    with claim.claimed(home), leaving_no_child(), Supervisor(home) as supervisor:
        site = start(supervisor, options)
        if options.fill_only:
            return 0
        server.start(supervisor, site)
        address = f"http://127.0.0.1:{site.web_port}"
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium(), args=list(CHROMIUM_ARGUMENTS)
            )
            found: Found = {name: [] for name in PAGES}
            for number in range(1, options.rounds + 1):
                for name, path in PAGES.items():
                    found[name].append(measured(browser, address, path))
                say(f"round {number} of {options.rounds}")
            browser.close()
    print(as_text(found))
    print(as_json(found), flush=True)
    return 0


def start(supervisor: Supervisor, options: argparse.Namespace) -> server.Site:
    """Start the databases, and fill what is not filled yet up to now."""
    home = supervisor.directory
    site = server.Site(
        postgres.start(supervisor, home, durable=False, more=postgres.PRODUCTION).url,
        redis.start(supervisor, home).url,
        logs=home / "log",
        more={"STATIC_ROOT": str(home / "static")},
    )
    site.set_up(USER, PASSWORD)
    filled = home / "filled"
    now = datetime.now(UTC).timestamp()
    if filled.exists() and now - filled.stat().st_mtime < FILLED_FOR_S:
        return site
    say("filling what is missing")
    wanted = {
        "--days": options.days,
        "--events-per-day": options.events_per_day,
        "--nodes": options.nodes,
        "--samples-every-s": 300,
    }
    say(site.manage("fill", *(str(word) for option in wanted.items() for word in option)).strip())
    filled.touch()
    return site


def measured(browser: Browser, address: str, path: str) -> tuple[Visit, Visit]:
    """Open a page in a browser that was never here, and again."""
    with logged_in(browser, address) as page:
        devtools = page.context.new_cdp_session(page)
        devtools.send("Network.enable")
        devtools.send("Network.clearBrowserCache")
        received: list[float] = []
        devtools.on("Network.loadingFinished", lambda e: received.append(e["encodedDataLength"]))
        visits = []
        for _ in range(2):
            received.clear()
            page.goto(f"{address}{path}")
            page.wait_for_selector("html[data-usable]", timeout=USABLE_WITHIN_MS)
            took = page.evaluate(MEASURED)
            page.wait_for_load_state("networkidle")  # the bytes of panels below too
            visits.append(
                Visit(
                    took["firstByteMs"],
                    took["paintMs"],
                    took["usableMs"],
                    round(sum(received)),
                )
            )
            page.goto("about:blank")
        return visits[0], visits[1]


@contextmanager
def logged_in(browser: Browser, address: str) -> Iterator[Page]:
    """A page of a browser of its own that has logged in."""
    context = browser.new_context(viewport={"width": VIEWPORT_WIDTH, "height": VIEWPORT_HEIGHT})
    context.add_init_script(WATCH)
    page = context.new_page()
    try:
        page.goto(f"{address}/login/")
        page.fill("#id_username", USER)
        page.fill("#id_password", PASSWORD)
        page.press("#id_password", "Enter")
        page.wait_for_url(f"{address}/")
        yield page
    finally:
        context.close()


def as_text(found: Found) -> str:
    """Return a table: the median of each page's first visits, and of its second ones."""
    lines = [
        f"load average {os.getloadavg()[0]:.1f}",
        f"{'page':16}{'visit':>8}{'first byte':>12}{'first paint':>13}{'usable':>10}{'bytes':>11}",
    ]
    for name, rounds in found.items():
        for visit, which in enumerate(("first", "again")):
            one = middle([visits[visit] for visits in rounds])
            lines.append(
                f"{name:16}{which:>8}{one.first_byte_ms:9.0f} ms{one.paint_ms:10.0f} ms"
                f"{one.usable_ms:7.0f} ms{one.received_bytes:11,}"
            )
    return "\n".join(lines)


def as_json(found: Found) -> str:
    """Return one line: of each page the medians."""
    told = {}
    for name, rounds in found.items():
        first, again = (middle([visits[i] for visits in rounds]) for i in (0, 1))
        told[name] = {
            "usable_ms": round(first.usable_ms),
            "first_paint_ms": round(first.paint_ms),
            "bytes": first.received_bytes,
            "again_usable_ms": round(again.usable_ms),
            "again_bytes": again.received_bytes,
        }
    return json.dumps(told)


def middle(visits: Sequence[Visit]) -> Visit:
    """Return the median of each figure. Pure."""
    return Visit(
        median(visit.first_byte_ms for visit in visits),
        median(visit.paint_ms for visit in visits),
        median(visit.usable_ms for visit in visits),
        round(median(visit.received_bytes for visit in visits)),
    )


if __name__ == "__main__":
    raise SystemExit(main())
