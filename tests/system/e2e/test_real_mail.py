"""300 messages through a real ZoneMTA, and the agent killed in the middle: each outcome, once."""

import smtplib
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from build.browser import open_chromium
from build.deadline import stretch
from build.lab.traffic import wait_until
from tests.system.e2e import cluster, traffic
from tests.system.e2e.cluster import Cluster
from tests.system.e2e.traffic import Outcome, Receipt

pytestmark = pytest.mark.stack
MESSAGES = 300
ARRIVE_WITHIN_S = 150
# How long the counts must stay as they are before "not twice" is believed.
SETTLE_S = 3
PAGE_WITHIN_MS = 60_000
#: More than `maxSize` in the configuration below build/stack/zonemta.
TOO_LARGE_BYTES = 5_500_000
FINAL = {"delivered", "bounced"}


@pytest.fixture(scope="module")
def with_plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, set[Outcome]]]:
    directory = tmp_path_factory.mktemp("plugin")
    yield from after_the_run(directory, plugin=True)


@pytest.fixture(scope="module")
def stream_alone(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Cluster, set[Outcome]]]:
    directory = tmp_path_factory.mktemp("stream")
    yield from after_the_run(directory, plugin=False)


@pytest.fixture
def page() -> Iterator[Page]:
    with open_chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(PAGE_WITHIN_MS)
        expect.set_options(timeout=PAGE_WITHIN_MS)
        yield page


def after_the_run(directory: Path, *, plugin: bool) -> Iterator[tuple[Cluster, set[Outcome]]]:
    """Yield the cluster once it has reported all messages, and the outcomes it must report."""
    with cluster.running(directory, plugin=plugin) as programs:
        receipts = send_and_kill(programs)
        wanted = traffic.expected_outcomes(receipts)
        await_count(programs, len(wanted))
        yield programs, wanted


def send_and_kill(programs: Cluster) -> list[Receipt]:
    """Submit all messages; after a third, kill the agent with SIGKILL and start it again."""
    batch = list(traffic.messages(MESSAGES))
    third = MESSAGES // 3
    receipts = traffic.submit(programs.mta.smtp_port, batch[:third])
    programs.agent.running.kill()
    receipts += traffic.submit(programs.mta.smtp_port, batch[third : 2 * third])
    programs.agent.running.start_again()
    receipts += traffic.submit(programs.mta.smtp_port, batch[2 * third :])
    programs.agent.running.kill()
    programs.agent.running.start_again()
    return receipts


def await_count(programs: Cluster, count: int) -> None:
    def count_stored() -> int:
        query = "SELECT count(*) FROM email_events WHERE from_address <> '<>'"
        return int(programs.rows(query)[0][0])

    wait_until(lambda: count_stored() >= count, within_s=ARRIVE_WITHIN_S)
    time.sleep(stretch(SETTLE_S))


def stored_outcomes(programs: Cluster) -> Counter[Outcome]:
    """Return what the server knows of ordinary mail; of `sent` there is no reply to know."""
    rows = programs.rows(
        "SELECT queue_id, to_address, from_address, event_type, attempt, status_message"
        " FROM email_events WHERE from_address <> '<>'"
    )
    return Counter(Outcome(*row) for row in rows)


def level_counts(programs: Cluster) -> dict[str, int]:
    rows = programs.rows(
        "SELECT event_type, sum(events) FROM email_stats_1m WHERE dimension = 'all' GROUP BY 1"
    )
    return {event_type: int(events) for event_type, events in rows}


def counts_of(outcomes: set[Outcome]) -> dict[str, int]:
    return dict(Counter(outcome.event_type for outcome in outcomes))


def test_with_the_plugin_every_outcome_is_there_exactly_once(with_plugin):
    programs, wanted = with_plugin

    count_stored = stored_outcomes(programs)

    assert set(count_stored) - wanted == set()
    assert wanted - set(count_stored) == set()
    assert {outcome: n for outcome, n in count_stored.items() if n != 1} == {}


def test_with_the_plugin_the_level_counts_what_the_rows_say(with_plugin):
    programs, wanted = with_plugin

    assert level_counts(programs) == counts_of(wanted)


def test_with_the_plugin_domains_codes_and_times_are_right(with_plugin):
    programs, _ = with_plugin

    rows = programs.rows("SELECT * FROM email_events WHERE from_address <> '<>'")

    for row in rows:
        assert row["to_domain"] == row["to_address"].rpartition("@")[2].lower()
        assert row["from_domain"] == row["from_address"].rpartition("@")[2]
        assert row["mta_node"] == cluster.NODE
        if row["event_type"] != "sent":
            assert row["status_code"] == int(row["status_message"][:3])
            assert row["mx_host"] == "127.0.0.1"
        if row["event_type"] == "delivered":
            assert row["message_size_bytes"] > 500
            assert row["delivery_time_ms"] is not None


def test_with_the_plugin_nothing_is_inferred(with_plugin):
    programs, _ = with_plugin

    assert programs.rows(
        "SELECT count(*) FROM email_events WHERE certainty = 'inferred' AND from_address <> '<>'"
    ) == [[0]]


def test_delivery_reports_are_kept_apart_from_mail(with_plugin):
    programs, wanted = with_plugin
    bounces = counts_of(wanted)["bounced"]

    def reports() -> int:
        ((delivered,),) = programs.rows(
            "SELECT coalesce(sum(events), 0) FROM email_stats_1m"
            " WHERE dimension = 'null_sender' AND event_type = 'delivered'"
        )
        return int(delivered)

    wait_until(lambda: reports() >= bounces, within_s=ARRIVE_WITHIN_S)
    assert reports() == bounces


@pytest.mark.browser
def test_with_the_plugin_the_page_shows_what_was_counted(with_plugin, page):
    programs, wanted = with_plugin

    page.goto(f"{programs.server.url}/email/outbound/")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(cluster.ADMIN_PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("[data-part=state]")).to_have_text("live")

    for event_type, count in counts_of(wanted).items():
        counter = page.locator(f"[data-counter='outbound.{event_type}'] [data-value]")
        expect(counter).to_have_text(f"{count:,}")


@pytest.mark.browser
def test_a_message_is_on_the_open_page_soon_after_its_delivery(with_plugin, page):
    programs, wanted = with_plugin
    counter = page.locator("[data-counter='outbound.delivered'] [data-value]")
    test_with_the_plugin_the_page_shows_what_was_counted(with_plugin, page)

    (extra,) = traffic.submit(programs.mta.smtp_port, [traffic.one_more()])

    wanted |= traffic.expected_outcomes([extra])
    expect(counter).to_have_text(f"{counts_of(wanted)['delivered']:,}")


def test_the_stream_alone_knows_queued_and_deferred_exactly(stream_alone):
    programs, wanted = stream_alone
    certain = {outcome for outcome in wanted if outcome.event_type not in FINAL}

    count_stored = {o: n for o, n in stored_outcomes(programs).items() if o.event_type not in FINAL}

    assert set(count_stored) == certain
    assert set(count_stored.values()) == {1}
    assert programs.rows(
        "SELECT DISTINCT certainty FROM email_events WHERE event_type IN ('sent', 'deferred')"
    ) == [["reported"]]


def test_the_stream_alone_infers_final_outcomes_and_says_so(stream_alone):
    programs, wanted = stream_alone
    final = Counter(
        (o.queue_id, o.recipient, o.event_type) for o in wanted if o.event_type in FINAL
    )

    rows = programs.rows(
        "SELECT * FROM email_events WHERE event_type = ANY(%s) AND from_address <> '<>'",
        list(FINAL),
    )

    assert Counter((r["queue_id"], r["to_address"], r["event_type"]) for r in rows) == final
    assert {r["certainty"] for r in rows} == {"inferred"}
    assert {r["source"] for r in rows} == {"change_stream"}


def test_the_stream_alone_invents_nothing_it_cannot_know(stream_alone):
    programs, _ = stream_alone
    unknown = ["status_code", "status_message", "mx_host", "sending_ip", "delivery_time_ms", "tls"]

    rows = programs.rows("SELECT * FROM email_events WHERE event_type = ANY(%s)", list(FINAL))

    assert rows
    for row in rows:
        assert {name: row[name] for name in unknown} == dict.fromkeys(unknown)
    ((inferred, events),) = programs.rows(
        "SELECT sum(inferred_events), sum(events) FROM email_stats_1m"
        " WHERE dimension = 'all' AND event_type = ANY(%s)",
        list(FINAL),
    )
    assert inferred == events


def test_the_node_reports_its_own_state(with_plugin):
    programs, _ = with_plugin

    ((name, agent_version, samples),) = programs.rows(
        "SELECT name, agent_version, (SELECT count(*) FROM metrics_system) FROM nodes_node"
    )

    assert name == cluster.NODE
    assert agent_version
    assert samples > 0


def test_with_the_plugin_a_message_refused_for_its_size_is_rejected(with_plugin):
    programs, _ = with_plugin
    sender, recipients = "alice@corp.example", ["large-1@good.example", "large-2@good.example"]
    with smtplib.SMTP("127.0.0.1", programs.mta.smtp_port) as client:
        client.ehlo()
        at_mail = client.mail(sender, [f"SIZE={TOO_LARGE_BYTES}"])
        client.mail(sender)
        for recipient in recipients:
            client.rcpt(recipient)
        after_data = client.data(b"Subject: Hello\r\n\r\n" + b"x\r\n" * (TOO_LARGE_BYTES // 3))

    query = (
        "SELECT from_address, to_address, status_code, status_message FROM email_events"
        " WHERE event_type = 'rejected' ORDER BY to_address NULLS FIRST"
    )
    wait_until(lambda: len(programs.rows(query)) >= 3, within_s=ARRIVE_WITHIN_S)

    replies = [f"{code} {words.decode()}" for code, words in (at_mail, after_data)]
    assert programs.rows(query) == [
        [None, None, 552, replies[0]],
        [sender, recipients[0], 552, replies[1]],
        [sender, recipients[1], 552, replies[1]],
    ]
