"""100 messages into a real Haraka, the agent killed in the middle: each outcome, once."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import expect

from build.browser import open_chromium
from build.deadline import stretch
from build.lab.traffic import wait_until
from build.stack import rspamd
from tests.system.e2e import cluster
from tests.system.e2e.cluster import ADMIN_PASSWORD, NODE, InboundCluster
from tests.system.e2e.inbound_mail import (
    SENDER,
    Outcome,
    deliver,
    generate_mails,
    refuse_for_size,
    refuse_without_recipient,
)

pytestmark = pytest.mark.stack
MESSAGES = 100
ARRIVE_WITHIN_S = 40
SETTLE_S = 1  # how long the counts must stay as they are before "not twice" is believed
PAGE_WITHIN_MS = 60_000
NO_RSPAMD = "Rspamd is not installed (apt-get install --no-install-recommends rspamd)"


@dataclass
class Inbound:
    """The running programs, and every outcome in Haraka's replies."""

    programs: InboundCluster
    outcomes: list[Outcome]

    def rows(self, query: str) -> list[Any]:
        return self.programs.rows(query)


@pytest.fixture(scope="module")
def inbound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inbound]:
    """Yield them once the server has all of it."""
    with cluster.run_inbound(tmp_path_factory.mktemp("inbound")) as programs:
        outcomes: list[Outcome] = []
        third = MESSAGES // 3
        for mail in generate_mails(MESSAGES, with_rspamd=rspamd.is_installed()):
            if mail.number == third:
                programs.agent.running.kill()
            elif mail.number == 2 * third:
                programs.agent.running.start_again()
            outcomes += deliver(programs.mx.smtp_port, mail)
        outcomes += refuse_without_recipient(programs.mx.smtp_port)
        outcomes += refuse_for_size(programs.mx.smtp_port)

        def count_stored() -> int:
            return int(programs.rows("SELECT count(*) FROM email_events")[0][0])

        wait_until(lambda: count_stored() >= 2 * len(outcomes), within_s=ARRIVE_WITHIN_S)
        time.sleep(stretch(SETTLE_S))
        yield Inbound(programs, outcomes)


def test_every_outcome_haraka_made_is_stored_exactly_once_with_its_reply(inbound):
    rows = inbound.rows(
        "SELECT event_type, to_address, from_address, host(client_ip), message_size_bytes,"
        " coalesce(status_message, ''), bounce_category FROM email_events"
    )

    stored = Counter(Outcome(*row) for row in rows)

    wanted = Counter(inbound.outcomes) + Counter(outcome.received for outcome in inbound.outcomes)
    assert len(inbound.outcomes) > MESSAGES
    assert stored - wanted == Counter()
    assert wanted - stored == Counter()


def test_what_was_reported_is_what_was_meant(inbound):
    kinds = Counter(outcome.event_type for outcome in inbound.outcomes)

    assert set(kinds) == {"delivered", "rejected", "greylisted", "deferred"}
    for outcome in inbound.outcomes:
        first = {"delivered": "2", "rejected": "5", "greylisted": "4", "deferred": "4"}
        assert outcome.reply.startswith(first[outcome.event_type]), outcome


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
    counts = Counter(outcome.event_type for outcome in inbound.outcomes)
    counts["received"] = len(inbound.outcomes)
    del counts["deferred"]  # the page counts it for outbound mail only
    with open_chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(PAGE_WITHIN_MS)
        expect.set_options(timeout=PAGE_WITHIN_MS)
        page.goto(f"{inbound.programs.server.url}/email/inbound/")
        page.get_by_label("User name").fill("admin")
        page.get_by_label("Password").fill(ADMIN_PASSWORD)
        page.keyboard.press("Enter")
        expect(page.locator("[data-part=state]")).to_have_text("live")

        for event_type, count in counts.items():
            counter = page.locator(f"[data-counter='inbound.{event_type}'] [data-value]")
            expect(counter).to_have_text(f"{count:,}")
