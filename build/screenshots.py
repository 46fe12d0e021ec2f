"""`python -m build.screenshots` (`make screenshots`): the pictures of the pages in docs/images.

Starts a server of its own with generated history and a stream of generated events, samples and mail
queues, and takes every page with Chromium: dark and light, on a wall screen and on a phone; and the
states empty, stale and logged out. The same as PNG are in .run/screenshots/images, and there alone
what a printer would make of each page, and with `--states` each page empty and stale. `--pages
queue,node` takes those alone; `--serve` takes none and keeps the server running.
"""

import argparse
import base64
import json
import math
import random
import shutil
import signal
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import psycopg2
from playwright.sync_api import Browser, Page, StorageState, expect
from redis import Redis

from build.browser import open_chromium
from build.package import assets
from build.stack import postgres, redis, server
from build.stack.errors import StackError
from build.stack.paths import ROOT, RUN
from build.stack.supervisor import Supervisor, end_on_signals

HOME = RUN / "screenshots"
IMAGES = ROOT / "docs" / "images"
USER, PASSWORD = "admin", "a password for pictures"
REQUEST_TIMEOUT_SECONDS = 5
STORED_WITHIN_SECONDS = 60
#: The live process looks for what needs somebody every five seconds.
NOTICED_WITHIN_SECONDS = 6
#: Nobody scrolls further through a picture; what is below is more of the same.
TALLEST = 2_600
#: What counts up or fades is done by then.
SETTLE_MS = 1_200
LOADED_WITHIN_MS = 60_000
WEBP_QUALITY = 75
BATCH_EVENTS = 2_000

#: Of the generated history. The stream goes on at about the same height.
NODES, EVENTS_PER_HOUR, HISTORY_HOURS = 6, 16_000, 50
SENDING = tuple(f"generated-mta-{i:02}" for i in range(1, NODES))
RECEIVING = "generated-mx-01"
#: One node stops reporting, and one destination stops taking mail: what the pages are made for.
SILENT, SILENT_FOR = SENDING[-1], timedelta(minutes=4, seconds=20)
REFUSING, REFUSING_FOR = "outlook.example", timedelta(minutes=38)
REFUSAL = "451 4.7.500 Server busy. Please try again later from [192.0.2.10]. (S77714)"
STREAMED = timedelta(minutes=60)
#: Events a second of the stream: direction, type, rate, more of them.
STREAM: tuple[tuple[str, str, float, dict[str, Any]], ...] = (
    ("outbound", "sent", 1.9, {}),
    ("outbound", "delivered", 1.75, {"delivery_time_ms": 900, "message_size_bytes": 48_000}),
    ("outbound", "bounced", 0.05, {"bounce_type": "hard", "bounce_category": "recipient"}),
    ("inbound", "received", 1.3, {"message_size_bytes": 52_000}),
    ("inbound", "delivered", 0.95, {"spam_action": "no action"}),
    ("inbound", "delivered", 0.07, {"spam_action": "add header"}),
    ("inbound", "rejected", 0.12, {"bounce_category": "rspamd", "spam_action": "reject"}),
    ("inbound", "rejected", 0.05, {"bounce_category": "dnsbl"}),
    ("inbound", "rejected", 0.02, {"bounce_category": "rcpt_to.qmail_deliverable"}),
    ("inbound", "greylisted", 0.08, {"bounce_category": "greylist"}),
    ("inbound", "deferred", 0.02, {"bounce_category": "limit"}),
)
#: Of samples the newest day is made here, so that every chart of a node has something to show.
SAMPLES_FOR, SAMPLES_EVERY = timedelta(hours=26), timedelta(minutes=5)
PROGRAMS = {
    SENDING[0]: ("agent", "mongodb", "redis"),
    RECEIVING: ("agent", "haraka", "rspamd", "redis"),
}
#: So many samples in one POST.
BATCH_SAMPLES = 100
#: When ZoneMTA of the first node was exchanged and its host started, and when all others did.
STARTED = datetime.now(UTC)
UPGRADED = STARTED - timedelta(hours=7, minutes=40)
BOOTED, BOOTED_LONG_AGO = STARTED - timedelta(hours=15, minutes=10), STARTED - timedelta(days=60)
SENDERS = ("newsletter.example", "shop.example", "corp.example", "bank.example")
DESTINATIONS = ("gmail.example", "yahoo.example", "web.example", "mail.example")
HAM_SYMBOLS = ("MIME_GOOD", "R_SPF_ALLOW", "R_DKIM_ALLOW", "DMARC_POLICY_ALLOW")
SPAM_SYMBOLS = (
    "BAYES_SPAM",
    "R_SPF_FAIL",
    "DBL_SPAM",
    "PHISHING",
    "RBL_SPAMHAUS_SBL",
    "FORGED_SENDER",
)

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
}


@dataclass(frozen=True)
class Look:
    """How a picture is taken: `theme` is dark or light, the width in CSS pixels."""

    theme: str
    width: int
    height: int

    @property
    def name(self) -> str:
        """What a picture's name ends in."""
        return f"{self.theme}-{self.width}"


WIDE_DARK, WIDE_LIGHT = Look("dark", 1920, 1080), Look("light", 1920, 1080)
PHONE_DARK, PHONE_LIGHT = Look("dark", 390, 844), Look("light", 390, 844)
LOOKS = (WIDE_DARK, WIDE_LIGHT, PHONE_DARK, PHONE_LIGHT)


def main() -> int:
    """Take the pictures; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m build.screenshots", description=__doc__)
    parser.add_argument("--pages", help=f"only these, with commas: {','.join(PAGES)}")
    parser.add_argument("--serve", action="store_true", help="take none, keep the server running")
    parser.add_argument(
        "--states",
        action="store_true",
        help="every page empty and stale too, on a wall and a phone, for looking at alone",
    )
    options = parser.parse_args()
    pages = options.pages.split(",") if options.pages else None
    end_on_signals()
    try:
        if code := assets.main():
            return code
        with ExitStack() as stack:
            take_all(stack, pages, serve=options.serve, states=options.states)
    except StackError as error:
        print(f"screenshots: {error}", file=sys.stderr)
        return 1
    return 0


def take_all(stack: ExitStack, pages: list[str] | None, *, serve: bool, states: bool) -> None:
    """Start everything and go through the states of the pages, from empty to stale.

    `pages`: names of PAGES, None: all of them and the states that the documents show. `states`:
    every page in the others too.
    """
    shutil.rmtree(HOME, ignore_errors=True)
    (HOME / "images").mkdir(parents=True)
    supervisor = stack.enter_context(Supervisor(HOME))
    site = start_site(supervisor)
    browser = stack.enter_context(open_chromium())
    camera = Camera(browser, f"http://127.0.0.1:{site.web_port}")

    if pages is None and not serve:
        camera.take_login("login", WIDE_DARK)
        camera.take("overview-empty", WIDE_DARK)
    if states:
        # A node that nobody ever heard of has no page.
        of_none = [name for name in pages or PAGES if "generated" not in PAGES[name]]
        take_states(camera, of_none, "empty")
    door = fill(site, camera.address)
    with stream(door):
        set_last_seen(site.database_url, STARTED - SILENT_FOR, only=SILENT)
        if serve:
            print(f"  {camera.address} {USER} {PASSWORD!r}", flush=True)
            signal.pause()
        for name in pages or PAGES:
            for look in LOOKS:
                camera.take(name, look, path=PAGES[name])
            camera.print(name, path=PAGES[name])
    set_last_seen(site.database_url, datetime.now(UTC) - timedelta(minutes=3, seconds=12))
    if states:
        take_states(camera, pages or PAGES, "stale")
    if pages is not None:
        return
    camera.take("outbound-stale", WIDE_DARK, path=PAGES["outbound"], data="stale")
    camera.take("not-found", WIDE_DARK, path="/no-such-page", connected=False)


def take_states(camera: "Camera", pages: Iterable[str], state: str) -> None:
    """Take pages as they are now, for looking at alone."""
    data = "stale" if state == "stale" else ""
    for name in pages:
        for look in (WIDE_DARK, PHONE_LIGHT):
            camera.take(f"{name}-{state}", look, path=PAGES[name], data=data, for_documents=False)


def fill(site: server.Site, address: str) -> "Door":
    """Fill history, and the last hour with what the stream goes on with; return the door."""
    options = {
        "--hours": HISTORY_HOURS,
        "--events-per-hour": EVENTS_PER_HOUR,
        "--nodes": NODES,
        "--samples-every-s": 60,
        "--seed": 1,
        "--until": (datetime.now(UTC) - STREAMED).isoformat(),
    }
    site.manage("fill", *(str(word) for option in options.items() for word in option))
    door = Door(address, site.manage("create_api_key", "--name", "pictures").strip())
    register(site.database_url, door)
    # Or the hour until the stream begins would be a silence of all nodes.
    set_last_seen(site.database_url, datetime.now(UTC))
    door.post_past_samples()
    door.post_samples()
    now = datetime.now(UTC)
    seconds = range(int(STREAMED.total_seconds()), 0, -1)
    past = [event for ago in seconds for event in events_of(now - timedelta(seconds=ago), now)]
    for batch in batched(past):
        door.post("events/ingest", batch)
    wait_until_stored(site.redis_url)
    return door


def wait_until_stored(redis_url: str) -> None:
    """Return when nothing waits in the inbox, and pages know what it told. Raise StackError when
    that takes too long."""
    deadline = time.monotonic() + STORED_WITHIN_SECONDS
    with Redis.from_url(f"{redis_url}/0", socket_timeout=REQUEST_TIMEOUT_SECONDS) as inbox:
        while any(map(inbox.xlen, (server.EVENTS_STREAM, server.SAMPLES_STREAM))):
            if time.monotonic() > deadline:
                message = "what the pictures are of was not stored in time"
                raise StackError(message)
            time.sleep(0.1)
    time.sleep(NOTICED_WITHIN_SECONDS)


def start_site(supervisor: Supervisor) -> server.Site:
    """Start a server with databases of its own, a user, and no data."""
    database = postgres.start(supervisor, HOME, durable=False)
    site = server.Site(
        database.url,
        redis.start(supervisor, HOME).url,
        logs=HOME / "log",
        more={"STATIC_ROOT": str(HOME / "static")},
    )
    site.set_up(USER, PASSWORD)
    server.start(supervisor, site)
    return site


class Camera:
    """Takes pictures of the pages of one site, logged in."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.address = address
        self._browser = browser
        self._session: StorageState | None = None

    def take_login(self, name: str, look: Look) -> None:
        """Take the page that asks who one is."""
        with self._page(look) as page:
            page.goto(f"{self.address}/login/")
            self._shoot(page, f"{name}-{look.name}")

    def take(
        self,
        name: str,
        look: Look,
        *,
        path: str = "/",
        data: str = "",
        connected: bool = True,
        for_documents: bool = True,
    ) -> None:
        """Log in, wait until the page at `path` shows what it should, and take it."""
        with self._page(look) as page:
            self._open(page, path)
            if connected:
                state = f'[data-data="{data}"]' if data else ""
                page.wait_for_selector(
                    f'#page[data-connection="live"]{state}', timeout=LOADED_WITHIN_MS
                )
            # As tall as the page: what sticks to the edges of the window is then where it belongs,
            # and what loads in sight is loaded. Again: charts grow with the window, up to a bound.
            for _ in range(3):
                height = page.evaluate("document.documentElement.scrollHeight")
                page.set_viewport_size({"width": look.width, "height": max(height, look.height)})
                if connected:
                    self._wait_for_panels(page)
            if connected:
                page.wait_for_timeout(SETTLE_MS)
                # A busy machine may have lost the connection meanwhile.
                page.wait_for_selector(
                    f'#page[data-connection="live"]{state}', timeout=LOADED_WITHIN_MS
                )
            self._shoot(page, f"{name}-{look.name}", for_documents=for_documents)

    def print(self, name: str, *, path: str) -> None:
        """Print the page, for looking at alone: a PDF, and a picture of the paper's layout."""
        with self._page(WIDE_DARK) as page:
            self._open(page, path)
            for panel in page.locator("[data-panel]").all():
                panel.scroll_into_view_if_needed()  # or a chart far down is not loaded
            self._wait_for_panels(page)
            page.pdf(path=HOME / "images" / f"{name}.pdf", prefer_css_page_size=True)
            page.emulate_media(media="print")
            page.wait_for_timeout(SETTLE_MS)
            page.screenshot(path=HOME / "images" / f"{name}-print.png", full_page=True)

    def _open(self, page: Page, path: str) -> None:
        """Go to the page at `path`, with the session of the first log-in."""
        if self._session is not None:
            page.goto(f"{self.address}{path}")
            return
        page.goto(f"{self.address}/login/?next={quote(path)}")
        page.fill("#id_username", USER)
        page.fill("#id_password", PASSWORD)
        page.press("#id_password", "Enter")
        page.wait_for_url(f"{self.address}{path}")
        self._session = page.context.storage_state()

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
            storage_state=self._session,
        )
        context.add_init_script(f"localStorage.setItem('mallard-theme', '{look.theme}')")
        page = context.new_page()
        page.on("console", lambda message: print(f"  console: {message.text}"))
        page.on("pageerror", lambda error: print(f"  error: {error}"))
        try:
            yield page
        finally:
            context.close()

    def _shoot(self, page: Page, name: str, *, for_documents: bool = True) -> None:
        page.screenshot(path=HOME / "images" / f"{name}.png", animations="disabled")
        if not for_documents:
            return
        # A fifth of the PNG's size, and text stays sharp; Playwright itself writes no WebP.
        size = page.viewport_size or {"width": 0, "height": TALLEST}
        clip = {"x": 0, "y": 0, "scale": 1, **size, "height": min(size["height"], TALLEST)}
        taken = page.context.new_cdp_session(page).send(
            "Page.captureScreenshot", {"format": "webp", "quality": WEBP_QUALITY, "clip": clip}
        )
        path = IMAGES / f"{name}.webp"
        path.write_bytes(base64.b64decode(taken["data"]))
        print(f"  {path.relative_to(ROOT)} {path.stat().st_size:,} bytes", flush=True)


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

    def post_samples(self) -> None:
        """Let every node but the silent one be heard from, with their mail queues."""
        now = datetime.now(UTC)
        for node in (*SENDING, RECEIVING):
            if node != SILENT:
                for kind, sample in samples_of(node, now):
                    self.post(f"metrics/{kind}", sample)

    def post_past_samples(self) -> None:
        """Post the same of the hours before, of the nodes whose pages are taken."""
        now = datetime.now(UTC)
        by_kind: dict[str, list[dict[str, Any]]] = {}
        for i in range(int(SAMPLES_FOR / SAMPLES_EVERY), 0, -1):
            for node in PROGRAMS:
                for kind, sample in samples_of(node, now - i * SAMPLES_EVERY):
                    by_kind.setdefault(kind, []).append(sample)
        # The queue as the silent node told it last, or its share would be stranded.
        last = STARTED - SILENT_FOR
        by_kind["zonemta"].append(as_of(mail_queue(SILENT, last), SILENT, last))
        for kind, samples in by_kind.items():
            for start in range(0, len(samples), BATCH_SAMPLES):
                self.post(f"metrics/{kind}", samples[start : start + BATCH_SAMPLES])


@contextmanager
def stream(door: Door) -> Iterator[None]:
    """Send events of each second, and samples, while the block runs."""
    stop = threading.Event()

    def send() -> None:
        while not stop.wait(1.0):
            now = datetime.now(UTC)
            door.post("events/ingest", events_of(now - timedelta(seconds=1), now))
            door.post_samples()

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


def events_of(at: datetime, now: datetime) -> list[dict[str, Any]]:
    """Return the events of one second, about as many of each kind as STREAM says."""
    events = [
        _event(at, direction, event_type, more)
        for direction, event_type, rate, more in STREAM
        for _ in range(_about(rate))
    ]
    if at > now - REFUSING_FOR:
        events += [
            _event(at, "outbound", "deferred", {"bounce_message": REFUSAL, "bounce_type": "soft"})
            | {"to_address": f"someone@{REFUSING}", "status_code": 451}
            for _ in range(_about(0.15))
        ]
    return events


def _event(at: datetime, direction: str, event_type: str, more: dict[str, Any]) -> dict[str, Any]:
    event = {
        "event_id": str(uuid.uuid4()),
        "occurred_at": at.isoformat(),
        "event_type": event_type,
        "direction": direction,
        "mta_node": RECEIVING,
        "from_address": f"someone@{_one_of(DESTINATIONS)}",
        "to_address": "alice@corp.example",
        "queue_id": uuid.uuid4().hex[:18],
        **more,
    }
    if direction == "outbound":
        # The silent node sends nothing any more.
        sending = SENDING if at < STARTED - SILENT_FOR else SENDING[:-1]
        event["mta_node"] = random.choice(sending)  # noqa: S311
        event["from_address"] = f"alice@{_one_of(SENDERS)}"
        event["to_address"] = f"bob@{_one_of(DESTINATIONS)}"
        if "delivery_time_ms" in more:
            event["delivery_time_ms"] = _about(more["delivery_time_ms"] / 100) * 100
    elif event_type in {"delivered", "rejected", "greylisted"}:
        refused = event_type != "delivered" or more.get("spam_action") == "add header"
        symbols = [name for name in SPAM_SYMBOLS if refused and _chance(0.45)]
        event["spam_symbols"] = [*symbols, *(name for name in HAM_SYMBOLS if _chance(0.7))]
    if event_type == "rejected":
        event |= {"status_code": 554, "status_message": "554 5.7.1 Spam message rejected"}
    return event


def register(database_url: str, door: Door) -> None:
    """Let the nodes introduce themselves; ZoneMTA of the first was exchanged some hours ago."""
    for node in (*SENDING, RECEIVING):
        role, address, program, version = "haraka-inbound", "192.0.2.30", "haraka", "3.1.1"
        if node in SENDING:
            role, program = "zonemta-outbound", "zonemta"
            address = f"192.0.2.{10 + SENDING.index(node)}"
            version = "3.11.0" if node == SENDING[0] else "3.10.0"  # as the history has it
        about = {
            "node_id": node,
            "hostname": f"{node}.example",
            "role": role,
            "addresses": [address],
            "agent_version": "0.1.0",
            "versions": {program: version},
        }
        door.post("nodes", about)
    move = "UPDATE nodes_change SET at = %s WHERE kind = 'version' AND before <> ''"
    execute(database_url, move, UPGRADED)


def samples_of(node: str, at: datetime) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what the agent of a node would send: kind and sample."""
    place = (*SENDING, RECEIVING).index(node)
    system = golden("metrics_system")
    day = math.sin((at.timestamp() / 3600 - 9) * math.pi / 12)
    wave = 5 * day + (at.timestamp() / 300 + place) % 3
    booted = BOOTED if node == SENDING[0] and at > BOOTED else BOOTED_LONG_AGO
    system["system"] |= {
        "cpu_percent": 14 + 3 * place + wave,
        "ram_used_percent": 38 + 4 * place + day,
        "load_avg": [round(0.5 + wave / 20, 2), 0.6, 0.55],
        "uptime_seconds": int((at - booted).total_seconds()),
    }
    for process in system["processes"].values():
        if process["started_at"]:
            process["started_at"] = booted.isoformat()
    yield "system", as_of(system, node, at)
    if node in SENDING:
        yield "zonemta", as_of(mail_queue(node, at), node, at)
    for kind in PROGRAMS.get(node, ()):
        sample = golden(f"metrics_{kind}")
        readings = sample[kind]
        for i, (name, value) in enumerate(readings.items()):
            if name.endswith("_total") and isinstance(value, int) and kind != "agent":
                # Counters that grow, by another pace each.
                readings[name] = int(at.timestamp()) % 10_000_000 * (1 + i % 4)
        if kind == "agent":
            uptime_s = int((at - BOOTED_LONG_AGO).total_seconds())
            readings |= {"uptime_s": uptime_s, "sources": current(readings["sources"], at)}
        yield kind, as_of(sample, node, at)


def current(sources: list[dict[str, Any]], at: datetime) -> list[dict[str, Any]]:
    """Return the agent's sources as having succeeded just now."""
    return [{**each, "succeeded_at": at.isoformat()} for each in sources]


def mail_queue(node: str, now: datetime) -> dict[str, Any]:
    """Return a sample of ZoneMTA with the queue that all nodes share."""
    sample = golden("metrics_zonemta")
    waits: list[tuple[str, tuple[int, ...], list[str]]] = []
    if now > datetime.now(UTC) - REFUSING_FOR:
        waits.append((REFUSING, (4, 31, 122, 41, 0, 0, 0), [REFUSAL]))
    waits += [
        (domain, tuple(round(n * 0.6**i) for n in (6, 9, 5, 3, 2, 1, 0)), ["421 4.7.0 Try later"])
        for i, domain in enumerate((*DESTINATIONS, "university.example", "small-office.example"))
    ]
    ages = [sum(counts[i] for _, counts, _ in waits) for i in range(7)]
    total = sum(ages)
    deferred = total - ages[0]
    sample["queue"] |= {
        "active_count": ages[0],
        "deferred_count": deferred,
        "zones": [{"zone": "default", "active_count": ages[0], "deferred_count": deferred}],
        "instance": node,
        "oldest_created_at": (now - timedelta(hours=5, minutes=12)).isoformat(),
        "ages": [
            {"up_to_s": old["up_to_s"], "count": count}
            for old, count in zip(sample["queue"]["ages"], ages, strict=True)
        ],
        "shares": [{"instance": name, "count": total // len(SENDING)} for name in SENDING]
        + [{"instance": "no", "count": total - total // len(SENDING) * len(SENDING)}],
        "reasons": [
            {"response": REFUSAL, "count": 194 if waits[0][0] == REFUSING else 0},
            {"response": "421 4.7.0 Try later", "count": deferred % 194},
        ],
        "reasons_of_count": deferred,
        "destinations": [
            {"domain": domain, "counts": list(counts), "replies": replies}
            for domain, counts, replies in waits
        ],
        "other_destinations": {"domains_count": 0, "counts": [0] * 7},
        "destinations_of_count": total,
    }
    return sample


def golden(name: str) -> dict[str, Any]:
    """Return a payload as agents send it."""
    payload: dict[str, Any] = json.loads(
        (ROOT / "tests" / "contract" / f"{name}.json").read_text(encoding="utf-8")
    )
    return payload


def as_of(sample: dict[str, Any], node: str, now: datetime) -> dict[str, Any]:
    """Return a sample as of this node and moment."""
    return {**sample, "node_id": node, "timestamp": now.isoformat()}


def _about(rate: float) -> int:
    wanted = random.gammavariate(4, rate / 4)
    return int(wanted) + (random.random() < wanted % 1)  # noqa: S311


def _chance(share: float) -> bool:
    return random.random() < share  # noqa: S311


def _one_of(names: tuple[str, ...]) -> str:
    return random.choices(names, [0.5**i for i in range(len(names))])[0]  # noqa: S311


def set_last_seen(database_url: str, at: datetime, *, only: str = "") -> None:
    """Make as if every node, or `only` one, was last heard from at `at`."""
    move = "UPDATE nodes_node SET last_seen_at = %s WHERE %s IN ('', name)"
    execute(database_url, move, at, only)


def execute(database_url: str, statement: str, *arguments: Any) -> None:
    """Change the database behind the server's back."""
    connection = psycopg2.connect(database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(statement, arguments)
    connection.close()


if __name__ == "__main__":
    raise SystemExit(main())
