"""The site that the browser tests open, what they put into it, and what they look for on a page."""

import contextlib
import json
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg2
from playwright.sync_api import Page, expect

from build.deadline import Deadline, stretch
from build.package.assets import MODULES
from build.stack import server
from build.stack.paths import ROOT
from server.metrics import catalogue
from tests.waiting import until

USER, PASSWORD, NODE = "admin", "an admin's password", "mta-01"
# Of a page that is late on a busy machine; one that is in time waits for nothing.
WITHIN_MS = 60_000
KINDS = ("system", "zonemta", "haraka", "rspamd", "mongodb", "redis", "wildduck", "agent")
AXE = MODULES / "axe-core" / "axe.min.js"


@dataclass
class Site:
    """What the tests touch."""

    site: server.Site
    server: server.Server
    key: str
    #: Of the administrator's session: checking a password takes longer than most pages.
    cookies: list[Any] = field(default_factory=list)

    def post(self, path: str, body: Any) -> None:
        request = urllib.request.Request(
            f"{self.server.url}/api/v1/{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"},
        )
        with urllib.request.urlopen(request, timeout=stretch(10)):
            pass

    def mail(
        self,
        event_type: str,
        count: int = 1,
        *,
        direction: str = "outbound",
        ago: timedelta = timedelta(),
        **fields: Any,
    ) -> None:
        """Let `count` events of this moment, or of a while `ago`, arrive at the ingest endpoint."""
        event = {
            "occurred_at": (datetime.now(UTC) - ago).isoformat(),
            "event_type": event_type,
            "direction": direction,
            "mta_node": NODE,
            **fields,
        }
        self.post("events/ingest", [{**event, "event_id": str(uuid4())} for _ in range(count)])

    def sample(self) -> None:
        """Send a sample of the node."""
        golden = json.loads((ROOT / "tests" / "contract" / "metrics_system.json").read_text())
        now = datetime.now(UTC).isoformat()
        self.post("metrics/system", {**golden, "node_id": NODE, "timestamp": now})

    def execute(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Change or read the server's database behind its back; return the rows, if there are."""
        connection = psycopg2.connect(self.site.database_url)
        with contextlib.closing(connection), connection, connection.cursor() as cursor:
            cursor.execute(statement, arguments)
            return cursor.fetchall() if cursor.description else []

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        ((rows,),) = self.execute(f"SELECT count(*) FROM {table}")
        return int(rows)


def post_sample(
    site: Site, kind: str, *, node: str = NODE, ago: timedelta = timedelta(), **readings: Any
) -> None:
    """Let a sample of the contract arrive at the ingest endpoint."""
    golden = json.loads((ROOT / "tests" / "contract" / f"metrics_{kind}.json").read_text())
    golden |= {"node_id": node, "timestamp": (datetime.now(UTC) - ago).isoformat()}
    golden["queue" if kind == "zonemta" else kind] |= readings
    site.post(f"metrics/{kind}", golden)


def post_samples_of_an_hour(site: Site) -> None:
    """Store samples of all kinds of an hour."""
    ages = range(60, -1, -10)
    for minutes in ages:
        for kind in KINDS:
            post_sample(site, kind, ago=timedelta(minutes=minutes))
    tables = [kind.table for kind in catalogue.KINDS]
    until(lambda: min(map(site.count, tables)) >= len(ages), within_s=60, what="samples")


def post_mail_of_all_kinds(site: Site) -> None:
    """Mail of all kinds, now and an hour ago."""
    for ago in (timedelta(), timedelta(minutes=70)):
        mail = {"ago": ago, "from_address": "alice@corp.example", "to_address": "bob@good.example"}
        site.mail("sent", 40, **mail)
        site.mail("delivered", 30, delivery_time_ms=1_234, message_size_bytes=44_000, **mail)
        site.mail("bounced", 4, bounce_type="hard", bounce_message="550 no such user", **mail)
        site.mail(
            "deferred",
            12,
            ago=ago,
            to_address="bob@slow.example",
            bounce_message="451 4.7.500 later",
        )
        inbound = {"direction": "inbound", "ago": ago}
        site.mail("received", 20, **inbound)
        site.mail("delivered", 10, spam_action="no action", spam_symbols=["MIME_GOOD"], **inbound)
        site.mail("delivered", 3, spam_action="add header", **inbound)
        refusal = {"bounce_category": "rspamd", "spam_symbols": ["BAYES_SPAM", "MIME_GOOD"]}
        site.mail("rejected", 5, **refusal, **inbound)
        site.mail("greylisted", 2, bounce_category="greylist", **inbound)


def wait_for_text(page: Page, selector: str, text: str) -> None:
    """Wait until the page, refreshed again and again, shows this."""
    shown = page.locator(selector).first
    refresh_until(page, lambda: text in (shown.text_content() or ""))
    expect(shown).to_contain_text(text)


def refresh_until(
    page: Page, condition: Callable[[], bool], *, refresh: Callable[[], object] | None = None
) -> None:
    """Refresh the page until what was posted is written and shown, or time is over; what is
    compared then shows what is missing."""
    deadline = Deadline(10)
    while not condition() and not deadline.is_over:
        (refresh or (lambda: page.keyboard.press("r")))()
        page.wait_for_timeout(250)


def load_panels(page: Page) -> None:
    """Bring every panel into sight, and wait until each shows its answer."""
    for panel in page.locator("[data-panel]").all():
        panel.evaluate("panel => panel.scrollIntoView()")
        expect(panel).to_have_attribute("data-loaded", "")
    expect(page.locator("[data-panel]:not([data-loaded])")).to_have_count(0)


def find_serious(page: Page) -> list[str]:
    """Return what axe-core finds serious."""
    page.evaluate(AXE.read_text())  # as a debugger would: the page's policy allows no script
    result = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{v['impact']} {v['id']}: {[n['html'][:200] for n in v['nodes'][:3]]}"
        for v in result["violations"]
        if v["impact"] in {"serious", "critical"}
    ]


def hide(page: Page, *, hidden: bool) -> None:
    """Let the page believe that its tab is hidden, or in sight again."""
    page.evaluate(
        "hidden => {"
        " Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )


def count_dom(devtools: Any) -> dict[str, int]:
    """Count what is left of a page after its garbage is gone."""
    for _ in range(2):  # what the first frees may have held more
        devtools.send("HeapProfiler.collectGarbage")
    return devtools.send("Memory.getDOMCounters")
