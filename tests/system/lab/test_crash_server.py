"""The crash scenario in short: a handful of kills under load, and an oracle that sees sabotage."""

import contextlib
import json

import pytest

from build.lab.oracle import judge_server
from build.lab.scenarios import crash_server
from tests.incidents.real_alerts import is_bad, judge_alerts, watch_alerts

KILLS = 6
SEED = 11
KEYS = [
    "kills",
    "acknowledged",
    "missing",
    "twice",
    "rollup_difference",
    "ledger_difference",
    "seed",
]


RECEIVERS = []


@contextlib.contextmanager
def alerts(installation):
    """Let clocks jump while processes are killed, and notify a receiver that fails."""
    with watch_alerts(installation, nodes=6, fails=True, hurries=True) as (receiver, _):
        RECEIVERS.append(receiver)
        yield


@pytest.fixture(scope="module")
def survivor():
    """Inject faults under load, drain, and give the installation with what was acknowledged."""
    with crash_server.run_under_faults(
        "crash-test", seed=SEED, cycles=KILLS, beside=alerts
    ) as survivor:
        yield survivor


@pytest.mark.stack
def test_kills_under_load_lose_nothing_and_double_nothing(survivor):
    installation, agents, faults = survivor
    batches = [batch for agent in agents for batch in agent.acknowledged]

    verdict = judge_server(installation, batches)

    assert verdict.is_clean, crash_server.format_text(agents, faults, verdict)
    assert faults.stuck == []
    assert [agent.given_up for agent in agents] == [[]] * crash_server.AGENTS
    assert verdict.acknowledged > 0
    row = json.loads(crash_server.format_json(faults, verdict))
    assert list(row) == KEYS
    assert row["kills"] == KILLS


@pytest.mark.stack
def test_kills_leave_no_flip_without_its_notification_and_send_none_under_another_key(survivor):
    installation, *_ = survivor
    figures = judge_alerts(installation, RECEIVERS[-1])
    assert not is_bad(figures), figures

    installation.query("TRUNCATE delivery_attempts")
    installation.query("DELETE FROM notifications WHERE id IN (SELECT min(id) FROM notifications)")

    figures = judge_alerts(installation, RECEIVERS[-1])
    assert figures["without_notification"] == figures["invented"] == 1, figures


@pytest.mark.stack
def test_the_oracle_sees_what_was_taken_away_doubled_or_miscounted(survivor):
    installation, agents, _ = survivor
    batches = [batch for agent in agents for batch in agent.acknowledged]
    lost, doubled = (
        batch.build_id(batch.first_seq)
        for batch in [
            next(b for b in batches if 0 not in b.refused and b.node == node) for node in (0, 1)
        ]
    )
    first = batches[0]
    before = judge_server(installation, batches)

    installation.query("DELETE FROM email_events WHERE event_id = %s", lost)
    installation.query(
        "INSERT INTO email_events (occurred_at, event_id, event_type, direction, mta_node,"
        " source, certainty) SELECT occurred_at + interval '1 second', event_id, event_type,"
        " direction, mta_node, source, certainty FROM email_events WHERE event_id = %s",
        doubled,
    )
    installation.query(
        "UPDATE ledger_epoch SET received = received - int8multirange(int8range(%s, %s))"
        " WHERE epoch = %s",
        first.first_seq,
        first.first_seq + 1,
        first.epoch_name,
    )
    verdict = judge_server(installation, batches[:-1])

    assert verdict.missing == before.missing + 1
    assert verdict.twice == before.twice + 1
    assert verdict.rollup_difference >= before.rollup_difference + 2
    assert verdict.never_acknowledged == len(batches[-1].valid_ids)
    assert verdict.ledger_difference > before.ledger_difference
    assert f"missing {lost}" in verdict.examples
    assert not verdict.is_clean
