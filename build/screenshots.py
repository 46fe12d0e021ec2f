"""`python -m build.screenshots` (`make screenshots`): the pictures of the pages in docs/images.

Starts a server of its own with generated history, sends it a stream of generated events, and takes
pictures of every state of the pages with Chromium. Those that documents show go to docs/images, the
others, for whoever changes a page, to .run/screenshots/images.
"""

import json
import os
import random
import shutil
import sys
import threading
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
from playwright.sync_api import Browser, Page, expect, sync_playwright

from build import assets
from build.stack import postgres, redis, server
from build.stack.errors import MissingError, StackError
from build.stack.paths import ROOT, RUN
from build.stack.supervisor import Supervisor, end_on_signals

HOME = RUN / "screenshots"
IMAGES = ROOT / "docs" / "images"
DOCUMENTED = {
    "email-flow-dark-1920",
    "email-flow-light-1920",
    "email-flow-dark-390",
    "email-flow-empty-dark-1920",
    "email-flow-stale-dark-1920",
}
USER, PASSWORD, NODE = "admin", "a password for pictures", "mta-01"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
#: No network of its own: the pictures are of our pages alone.
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)
REQUEST_TIMEOUT_SECONDS = 5
PAST_SECONDS = 300  # the rate chart's window
LOADED_WITHIN_MS = 15_000

BATCH_EVENTS = 2_000

#: Of the generated history. The stream below goes on at about the same height.
EVENTS_PER_HOUR = 18_000
#: Events a second of the stream, by direction and type.
RATES = {
    ("outbound", "sent"): 2.5,
    ("outbound", "delivered"): 2.3,
    ("outbound", "deferred"): 0.12,
    ("outbound", "bounced"): 0.07,
    ("inbound", "received"): 1.4,
    ("inbound", "delivered"): 1.1,
    ("inbound", "rejected"): 0.2,
    ("inbound", "greylisted"): 0.1,
}


@dataclass(frozen=True)
class Look:
    """How a picture is taken: `theme` is dark or light, sizes are CSS pixels."""

    theme: str
    width: int
    height: int


WIDE_DARK, WIDE_LIGHT = Look("dark", 1920, 1080), Look("light", 1920, 1080)
TABLET_DARK = Look("dark", 1024, 768)
#: As tall as the page: the bar at its foot would otherwise lie across the middle of the picture.
PHONE_DARK, PHONE_LIGHT = Look("dark", 390, 1830), Look("light", 390, 1830)


def main() -> int:
    """Take all pictures; return the exit code."""
    end_on_signals()
    try:
        if code := assets.main():
            return code
        with ExitStack() as stack:
            take_all(stack)
    except StackError as error:
        print(f"screenshots: {error}", file=sys.stderr)
        return 1
    return 0


def take_all(stack: ExitStack) -> None:
    """Start everything and go through the states of the pages, from empty to stale."""
    shutil.rmtree(HOME, ignore_errors=True)
    supervisor = stack.enter_context(Supervisor(HOME))
    site = start_site(supervisor)
    playwright = stack.enter_context(sync_playwright())
    browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)
    stack.callback(browser.close)
    camera = Camera(browser, f"http://127.0.0.1:{site.web_port}")

    camera.take_login("login-dark-1920", WIDE_DARK)
    camera.take("email-flow-empty-dark-1920", WIDE_DARK, data="never", empty=True)

    site.manage("fill", "--hours", "24", "--events-per-hour", str(EVENTS_PER_HOUR), "--seed", "1")
    key = site.manage("create_api_key", "--node", NODE, "--name", "pictures").strip()
    door = Door(camera.address, key)
    door.post("metrics/system", sample())
    for batch in batched(past_events()):
        door.post("events/ingest", batch)
    with stream(door):
        camera.take("email-flow-dark-1920", WIDE_DARK)
        camera.take("email-flow-light-1920", WIDE_LIGHT)
        camera.take("email-flow-dark-1024", TABLET_DARK)
        camera.take("email-flow-dark-390", PHONE_DARK)
        camera.take("email-flow-light-390", PHONE_LIGHT)
        camera.take("email-flow-table-light-1920", WIDE_LIGHT, press='[data-part="as-table"]')
    set_last_seen(site.database_url, datetime.now(UTC) - timedelta(minutes=3, seconds=12))
    camera.take("email-flow-stale-dark-1920", WIDE_DARK, data="stale")
    camera.take("email-flow-stale-dark-390", PHONE_DARK, data="stale")
    camera.take("not-found-dark-1920", WIDE_DARK, path="/no-such-page", connected=False)


def start_site(supervisor: Supervisor) -> server.Site:
    """Start a server with databases of its own, a user, and no data."""
    database = postgres.start(supervisor, HOME, durable=False)
    site = server.Site(
        database.url,
        redis.start(supervisor, HOME).url,
        logs=HOME / "log",
        more={
            "STATIC_ROOT": str(HOME / "static"),
            "DEMO_HISTORY_UNTIL": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
    site.manage("migrate", "--noinput", "--verbosity", "0")
    site.manage("collectstatic", "--noinput", "--verbosity", "0")
    site.manage(
        *("createsuperuser", "--noinput", "--username", USER, "--email", "admin@example.invalid"),
        DJANGO_SUPERUSER_PASSWORD=PASSWORD,
    )
    server.start(supervisor, site)
    return site


def chromium() -> str:
    """Return the path of a Chromium. Raise MissingError when there is none."""
    for name in (os.environ.get("CHROMIUM", ""), *CHROMIUM):
        if name and (path := shutil.which(name)):
            return path
    message = "there is no Chromium (apt-get install chromium), or give its path: CHROMIUM=/…"
    raise MissingError(message)


class Camera:
    """Takes pictures of the pages of one site, logged in."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.address = address
        self._browser = browser

    def take_login(self, name: str, look: Look) -> None:
        """Take the page that asks who one is."""
        with self._page(look) as page:
            page.goto(f"{self.address}/login/")
            self._shoot(page, name)

    def take(
        self,
        name: str,
        look: Look,
        *,
        path: str = "/email-flow/",
        data: str = "fresh",
        empty: bool = False,
        connected: bool = True,
        press: str = "",
    ) -> None:
        """Log in, wait until the page at `path` shows what it should, and take it."""
        with self._page(look) as page:
            page.goto(f"{self.address}/login/?next={path}")
            page.fill("#id_username", USER)
            page.fill("#id_password", PASSWORD)
            page.press("#id_password", "Enter")
            page.wait_for_url(f"**{path}")
            if connected:
                state = f'#page[data-connection="live"][data-data="{data}"]'
                page.wait_for_selector(state, timeout=LOADED_WITHIN_MS)
            if connected and not empty:
                expect(page.locator("[data-loaded]")).to_have_count(2, timeout=LOADED_WITHIN_MS)
            if press:
                page.click(press)
            self._shoot(page, name)

    @contextmanager
    def _page(self, look: Look) -> Iterator[Page]:
        context = self._browser.new_context(
            viewport={"width": look.width, "height": look.height}, timezone_id="Asia/Bangkok"
        )
        context.add_init_script(f"localStorage.setItem('mallard-theme', '{look.theme}')")
        page = context.new_page()
        page.on("console", lambda message: print(f"  console: {message.text}"))
        page.on("pageerror", lambda error: print(f"  error: {error}"))
        try:
            yield page
        finally:
            context.close()

    def _shoot(self, page: Page, name: str) -> None:
        path = (IMAGES if name in DOCUMENTED else HOME / "images") / f"{name}.png"
        page.screenshot(path=path, full_page=True, animations="disabled")
        print(f"  {path.relative_to(ROOT)}", flush=True)


class Door:
    """Posts to the agents' door."""

    def __init__(self, address: str, key: str) -> None:
        self._address = address
        self._key = key

    def post(self, path: str, body: Any) -> None:
        """Send `body` as JSON. Raise OSError when it is not accepted."""
        request = urllib.request.Request(  # noqa: S310 (our own http address)
            f"{self._address}/api/v1/{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"},
        )
        with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_SECONDS):  # noqa: S310
            pass


@contextmanager
def stream(door: Door) -> Iterator[None]:
    """Send events of each second, and samples, while the block runs."""
    stop = threading.Event()

    def send() -> None:
        while not stop.wait(1.0):
            door.post("events/ingest", events_of(datetime.now(UTC) - timedelta(seconds=1)))
            door.post("metrics/system", sample())

    thread = threading.Thread(target=send, name="stream")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(REQUEST_TIMEOUT_SECONDS)


def batched(events: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Return `events` in batches that the door takes."""
    for start in range(0, len(events), BATCH_EVENTS):
        yield events[start : start + BATCH_EVENTS]


def past_events() -> list[dict[str, Any]]:
    """Return events of the seconds that the rate chart shows."""
    now = datetime.now(UTC)
    seconds = range(PAST_SECONDS, 0, -1)
    return [event for ago in seconds for event in events_of(now - timedelta(seconds=ago))]


def events_of(at: datetime) -> list[dict[str, Any]]:
    """Return the events of one second, about as many of each kind as RATES says."""
    return [
        {
            "event_id": str(uuid.uuid4()),
            "occurred_at": at.isoformat(),
            "event_type": event_type,
            "direction": direction,
            "mta_node": NODE,
            "from_address": "alice@corp.example",
            "to_address": "bob@good.example",
            "certainty": "inferred" if random.random() < 0.01 else "reported",  # noqa: PLR2004, S311
        }
        for (direction, event_type), rate in RATES.items()
        for _ in range(round(random.gammavariate(4, rate / 4)))
    ]


def sample() -> dict[str, Any]:
    """Return a system sample of now."""
    golden = json.loads((ROOT / "tests" / "contract" / "metrics_system.json").read_text())
    return {**golden, "node_id": NODE, "timestamp": datetime.now(UTC).isoformat()}


def set_last_seen(database_url: str, at: datetime) -> None:
    """Make as if every node was last heard from at `at`."""
    connection = psycopg2.connect(database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE nodes_node SET last_seen_at = %s", [at])
    connection.close()


if __name__ == "__main__":
    raise SystemExit(main())
