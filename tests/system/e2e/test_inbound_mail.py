"""100 messages into a real Haraka, the agent killed in the middle: each outcome once."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import expect

from build.browser import open_chromium
from build.lab.inbound_mail import (
    SENDER,
    Outcome,
    deliver,
    generate_mails,
    refuse_without_recipient,
)
from build.stack import agent, haraka, redis, rspamd, server, sink
from build.stack.supervisor import Supervisor
from tests.databases import own_database
from tests.system.e2e.cluster import ADMIN_PASSWORD, Cluster

pytestmark = pytest.mark.stack
NODE = "mx-01"
MESSAGES = 100
ARRIVE_WITHIN_S = 40
SETTLE_S = 1  # how long the counts must stay as they are before "not twice" is believed
PAGE_WITHIN_MS = 15_000
NO_RSPAMD = "Rspamd is not installed (apt-get install --no-install-recommends rspamd)"


@dataclass
class Inbound:
    """The running programs, and everything Haraka outcomes."""

    site: server.Site
    server: server.Server
    agent: agent.Agent
    mx: haraka.Haraka
    outcomes: list[Outcome]

    rows = Cluster.rows


@pytest.fixture(scope="module")
def inbound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inbound]:
    """Yield them once the server has all of it."""
    directory = tmp_path_factory.mktemp("inbound")
    with own_database("inbound") as database_url, Supervisor(directory) as supervisor:
        programs = start(supervisor, directory, database_url)
        thirds = list(generate_mails(MESSAGES, with_rspamd=rspamd.is_installed()))
        third = MESSAGES // 3
        for number, mail in enumerate(thirds):
            if number == third:
                programs.agent.running.kill()
            elif number == 2 * third:
                programs.agent.running.start_again()
            programs.outcomes += deliver(programs.mx.smtp_port, mail)
        programs.outcomes += refuse_without_recipient(programs.mx.smtp_port)

        def count_stored() -> int:
            return programs.rows("SELECT count(*) FROM email_events")[0][0]

        wait_until(lambda: count_stored() >= 2 * len(programs.outcomes), within_s=ARRIVE_WITHIN_S)
        time.sleep(SETTLE_S)
        yield programs


def start(supervisor: Supervisor, directory: Path, database_url: str) -> Inbound:
    own_redis = redis.start(supervisor, directory)
    site = server.Site(database_url, own_redis.url, logs=directory / "log")
    site.set_up("admin", ADMIN_PASSWORD)
    key = site.manage("create_api_key", "--node", NODE, "--name", "test").strip()
    started = server.start(supervisor, site)
    watching = agent.start(
        supervisor, directory, server_url=started.url, api_key=key, node=NODE,
        environment={"NODE_ROLE": "haraka"},
    )  # fmt: skip
    filters = None
    if rspamd.is_installed():
        filters = rspamd.start(supervisor, directory, redis_port=own_redis.port)
    mx = haraka.start(
        supervisor,
        directory,
        sink_port=sink.start(supervisor, directory).port,
        redis_port=own_redis.port,
        rspamd_port=filters.scan_port if filters else None,
        plugin_socket=watching.socket,
    )
    return Inbound(site, started, watching, mx, [])


def wait_until(condition: Callable[[], bool], *, within_s: float) -> None:
    """Return when it holds, or when the time is over: the assertions say better what is missing."""
    deadline = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.25)


def test_every_outcome_haraka_made_is_stored_exactly_once_with_its_reply(inbound):
    rows = inbound.rows(
        "SELECT event_type, to_address, from_address, host(client_ip), message_size_bytes,"
        " coalesce(status_message, ''), bounce_category FROM email_events"
    )

    count_stored = Counter(Outcome(*row) for row in rows)

    wanted = Counter(inbound.outcomes) + Counter(outcomes.received for outcomes in inbound.outcomes)
    assert len(inbound.outcomes) > MESSAGES
    assert count_stored - wanted == Counter()
    assert wanted - count_stored == Counter()


def test_what_was_reported_is_what_was_meant(inbound):
    kinds = Counter(outcomes.event_type for outcomes in inbound.outcomes)

    assert set(kinds) == {"delivered", "rejected", "greylisted", "deferred"}
    for outcomes in inbound.outcomes:
        first = {"delivered": "2", "rejected": "5", "greylisted": "4", "deferred": "4"}
        assert outcomes.reply.startswith(first[outcomes.event_type]), outcomes


def test_every_row_is_inbound_reported_and_of_a_transaction(inbound):
    rows = inbound.rows("SELECT * FROM email_events")

    assert {(r["direction"], r["certainty"], r["source"], r["mta_node"]) for r in rows} == {
        ("inbound", "reported", "haraka_plugin", NODE)
    }
    for row in rows:
        assert row["queue_id"]
        if row["status_message"]:
            assert row["status_code"] == int(row["status_message"][:3])
        if row["event_type"] == "delivered":
            assert row["queue_id"] in row["status_message"]
            assert row["delivery_time_ms"] is not None
            assert row["message_id"].startswith("<inbound-")


def test_rspamds_score_action_and_symbols_are_reported_with_spf_and_dmarc(inbound):
    if not rspamd.is_installed():
        pytest.skip(NO_RSPAMD)

    rows = inbound.rows(
        "SELECT * FROM email_events WHERE event_type <> 'received' AND spam_action IS NOT NULL"
    )

    refused = [
        r for r in rows if r["event_type"] == "rejected" and r["bounce_category"] == "rspamd"
    ]
    assert refused
    for row in refused:
        assert (row["spam_action"], row["spf_result"], row["dmarc_result"]) == (
            *("reject", "fail", "fail"),
        )
        assert row["spam_score"] > 15
        assert "TEST_SPAMMY20" in row["spam_symbols"]
    delivered = [r for r in rows if r["event_type"] == "delivered" and r["from_address"] == SENDER]
    assert delivered
    for row in delivered:
        assert (row["spam_action"], row["spf_result"], row["dmarc_result"]) == (
            *("no action", "pass", "pass"),
        )


@pytest.mark.browser
def test_the_page_shows_what_was_counted(inbound):
    counts = Counter(outcomes.event_type for outcomes in inbound.outcomes)
    counts["received"] = len(inbound.outcomes)
    del counts["deferred"]  # the page counts it for outbound mail only
    with open_chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(PAGE_WITHIN_MS)
        expect.set_options(timeout=PAGE_WITHIN_MS)
        page.goto(f"{inbound.server.url}/email/inbound/")
        page.get_by_label("User name").fill("admin")
        page.get_by_label("Password").fill(ADMIN_PASSWORD)
        page.keyboard.press("Enter")
        expect(page.locator("[data-part=state]")).to_have_text("live")

        for event_type, count in counts.items():
            counter = page.locator(f"[data-counter='inbound.{event_type}'] [data-value]")
            expect(counter).to_have_text(f"{count:,}")
