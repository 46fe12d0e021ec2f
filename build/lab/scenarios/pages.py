"""Time until a page is usable in Chromium, and its weight.

Fills a database with 30 days of 20 nodes once (kept in .run/bench-pages), starts the server as
production would, and opens pages over loopback, each in a browser that was never here and again in
one that was. A page is usable when every panel in sight shows its numbers and charts are on the
screen.
"""

import argparse
import json
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser

from build.browser import open_chromium
from build.lab.installation import start_installation
from build.lab.report import format_table
from build.stack import claim, server
from build.stack.command import report_progress
from build.stack.paths import RUN
from build.stack.supervisor import Supervisor, leaving_no_child

HOME = RUN / "bench-pages"
DAYS, NODES = 30, 20
VIEWPORT = {"width": 1920, "height": 1080}
USABLE_WITHIN_MS = 60_000
#: A filled database counts as current for so long: the charts then end a little before now.
FILLED_FOR_S = 3 * 3600
PAGES = {
    "overview 24 h": "/",
    "outbound 24 h": "/email/outbound/",
    "outbound 30 d": "/email/outbound/?range=30d",
}
HEAD = ("page", "visit", "first byte ms", "first paint ms", "usable ms", "bytes")
WATCH_PANELS = Path(__file__).with_name("watch_panels.js").read_text()
TIMINGS = """() => [
  performance.getEntriesByType('navigation')[0].responseStart,
  performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null,
  window.usableMs]"""


@dataclass(frozen=True)
class Visit:
    """One opening of one page. Times in ms since its request, bytes as they came."""

    first_byte_ms: float
    paint_ms: float
    usable_ms: float
    received_bytes: float


#: Page → the medians of the first visits and of the second ones.
Medians = dict[str, tuple[Visit, Visit]]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--events-per-day", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5, help="of which the median is printed")


def run(options: argparse.Namespace) -> int:
    home = HOME / f"{DAYS}-{options.events_per_day}-{NODES}"
    with claim.claim_directory(home), leaving_no_child(), Supervisor(home) as supervisor:
        installation = start_installation(supervisor, durable=False)
        fill(installation.site, home / "filled", options.events_per_day)
        url, session = installation.server.url, installation.log_in()
        visits: dict[str, list[tuple[Visit, Visit]]] = {name: [] for name in PAGES}
        with open_chromium() as browser:
            for number in range(1, options.rounds + 1):
                for name, path in PAGES.items():
                    visits[name].append(visit_twice(browser, url, session, path))
                report_progress(f"round {number} of {options.rounds}")
    medians = {name: take_medians(rounds) for name, rounds in visits.items()}
    print(format_text(medians))
    print(format_json(medians), flush=True)
    return 0


def fill(site: server.Site, filled: Path, events_per_day: int) -> None:
    now = datetime.now(UTC).timestamp()
    if filled.exists() and now - filled.stat().st_mtime < FILLED_FOR_S:
        return
    report_progress("filling what is missing")
    words = f"--days {DAYS} --events-per-day {events_per_day} --nodes {NODES} --samples-every-s 300"
    report_progress(site.manage("fill", *words.split()).strip())
    filled.touch()


def visit_twice(browser: Browser, url: str, session: str, path: str) -> tuple[Visit, Visit]:
    with closing(browser.new_context(viewport=VIEWPORT)) as context:  # type: ignore[arg-type]
        context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
        context.add_init_script(WATCH_PANELS)
        page = context.new_page()
        devtools = context.new_cdp_session(page)
        devtools.send("Network.enable")
        received: list[float] = []
        devtools.on("Network.loadingFinished", lambda e: received.append(e["encodedDataLength"]))
        visits = []
        for _ in range(2):
            received.clear()
            page.goto(f"{url}{path}")
            page.wait_for_selector("html[data-usable]", timeout=USABLE_WITHIN_MS)
            first_byte_ms, paint_ms, usable_ms = page.evaluate(TIMINGS)
            page.wait_for_load_state("networkidle")  # the bytes of panels below too
            visits.append(Visit(first_byte_ms, paint_ms, usable_ms, sum(received)))
            page.goto("about:blank")
        return visits[0], visits[1]


def format_text(medians: Medians) -> str:
    rows: list[Sequence[object]] = [HEAD]
    for name, (first, again) in medians.items():
        rows += [(name, "first", *astuple(first)), (name, "again", *astuple(again))]
    return f"load average {os.getloadavg()[0]:.1f}\n{format_table(rows)}"


def format_json(medians: Medians) -> str:
    rows = {
        name: {
            "usable_ms": first.usable_ms,
            "first_paint_ms": first.paint_ms,
            "bytes": first.received_bytes,
            "again_usable_ms": again.usable_ms,
            "again_bytes": again.received_bytes,
        }
        for name, (first, again) in medians.items()
    }
    return json.dumps(rows)


def take_medians(rounds: Sequence[tuple[Visit, Visit]]) -> tuple[Visit, Visit]:
    first, again = (
        Visit(*(round(median(values)) for values in zip(*map(astuple, visits), strict=True)))
        for visits in zip(*rounds, strict=True)
    )
    return first, again
