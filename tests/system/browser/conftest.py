"""A site of its own for the browser: real web, live and worker processes, and Debian's Chromium."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page
from psycopg2 import errors

from build.browser import open_chromium
from build.stack import redis, server
from build.stack.supervisor import Supervisor
from server.metrics.catalogue import KINDS
from tests.system.browser.site import NODE, PASSWORD, USER, WITHIN_MS, Site
from tests.template import STATIC, make_static, own_database
from tests.waiting import until


# Not those of the plugin pytest-playwright: they keep an event loop running until the session ends,
# in which Django refuses every database query of the tests that come after these.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with open_chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(WITHIN_MS)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="package")
def installed_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("browser")
    with own_database("browser") as database_url, Supervisor(home) as supervisor:
        site = server.Site(
            database_url,
            redis.start(supervisor, home, durable=False).url,
            logs=home / "log",
            # Kept answers would show the numbers of another test.
            more={
                "STATIC_ROOT": str(STATIC),
                "READ_CACHE_SECONDS": "0",
                "NOTIFICATION_NETWORKS": "127.0.0.0/8",
                "PUBLIC_URL": "https://mallard.example",
            },
        )
        make_static(site)
        site.make_user(USER, PASSWORD)
        key = site.manage("create_api_key", "--any-node", "--name", "test").strip()
        yield Site(site, server.start(supervisor, site), key)


@pytest.fixture
def site(installed_site: Site) -> Site:
    """The site without events or samples; its node is known and reported just now."""
    until(lambda: _empty(installed_site), within_s=60, what="empty tables")
    installed_site.execute("DELETE FROM nodes_node")
    installed_site.post("nodes", {"node_id": NODE, "hostname": "mta-01.example"})
    installed_site.execute("UPDATE nodes_node SET last_seen_at = now()")
    return installed_site


def _empty(site: Site) -> bool:
    """Empty the tables that fill; return False where the site's worker was in the way."""
    samples = ", ".join(kind.table for kind in KINDS)
    try:
        site.execute(
            "TRUNCATE email_events, email_stats_1m, email_stats_5m, email_stats_1h,"
            f" email_stats_daily, ledger_epoch, nodes_change, {samples}"
        )
    except errors.DeadlockDetected:
        return False
    return True


@pytest.fixture
def console(page: Page) -> list[str]:
    """What went wrong inside the page; empty at the end of a good test."""
    messages: list[str] = []
    page.on(
        "console", lambda m: messages.append(m.text) if m.type in {"error", "warning"} else None
    )
    page.on("pageerror", lambda error: messages.append(str(error)))
    return messages


@pytest.fixture
def open_page(page: Page, console: list[str]) -> Callable[..., Page]:
    """Open the page at `path`, logged in by the test before or now; return when it is live."""

    def open_live(
        site: Site, path: str = "/email/outbound/", *, state: str = '[data-connection="live"]'
    ) -> Page:
        page.context.add_cookies(site.cookies)
        page.goto(f"{site.server.url}{path}")
        if "/login/" in page.url:
            page.fill("#id_username", USER)
            page.fill("#id_password", PASSWORD)
            page.press("#id_password", "Enter")
        page.wait_for_selector(f"#page{state}")
        site.cookies = page.context.cookies()
        return page

    return open_live
