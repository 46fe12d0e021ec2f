"""The crash harness in short: a handful of kills under load, and an oracle that sees sabotage."""

import itertools
import json
from datetime import timedelta

import pytest

from build.bench import arrangement
from build.crash import __main__ as crash
from build.crash import oracle
from build.crash.harm import Harm, may_mount
from build.crash.mail import Plan, event_id
from build.crash.sender import Sender

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


def plan(seed, batches=200):
    return list(itertools.islice(iter(Plan(2, seed=seed).next_batch, None), batches))


def test_the_same_seed_makes_the_same_batches():
    def shape(seed):
        return [(b.epoch, b.first_seq, b.count, b.refused, b.dropped) for b in plan(seed)]

    assert shape(1) == shape(1)
    assert shape(1) != shape(2)


def test_the_numbers_of_an_epoch_are_whole_but_for_what_is_declared_dropped():
    batches = [batch for batch in plan(1) if batch.epoch == 0]
    numbers = {number for batch in batches for number in batch.numbers}
    dropped = {n for b in batches for first, last in b.dropped for n in range(first, last + 1)}

    assert dropped
    assert not numbers & dropped
    assert numbers | dropped == set(range(1, max(numbers) + 1))


def test_a_batch_is_the_same_whenever_it_is_sent_and_tells_the_same_ids_as_another_source():
    batch = next(batch for batch in plan(1) if batch.refused)
    retold = json.loads(batch.retold(later=timedelta(seconds=2)))
    events = json.loads(batch.body())["events"]

    assert batch.body() == batch.body()
    assert [event["event_id"] for event in retold] == [event["event_id"] for event in events]
    assert all(a["occurred_at"] < b["occurred_at"] for a, b in zip(events, retold, strict=True))
    assert len(batch.valid_ids) == batch.count - 1


@pytest.fixture(scope="module")
def wreck():
    """Run kills under load, drain, and give the arrangement with what was acknowledged."""
    nodes = [f"crash-mta-{n}" for n in range(crash.SENDERS)]
    with arrangement.running(
        "crash-test",
        nodes=nodes,
        more={"WRITER_CLAIM_AFTER_MS": str(crash.CLAIM_AFTER_MS)},
        inbox_disk_mib=crash.INBOX_DISK_MIB if may_mount() else None,
        workers=crash.WORKERS,
    ) as running:
        senders = [
            Sender(n, key=running.keys[node], port=running.server.web_port, seed=SEED)
            for n, node in enumerate(nodes)
        ]
        harm = Harm(running, seed=SEED, disk=running.inbox_disk)
        crash.under_load(running, senders, harm, cycles=KILLS)
        yield running, senders, harm


@pytest.mark.stack
def test_kills_under_load_lose_nothing_and_double_nothing(wreck):
    running, senders, harm = wreck
    batches = [batch for sender in senders for batch in sender.acknowledged]

    verdict = oracle.judge(running, batches)

    assert verdict.is_clean, crash.report(senders, harm, verdict, seed=SEED)
    assert harm.stuck == []
    assert [sender.given_up for sender in senders] == [[]] * crash.SENDERS
    assert verdict.acknowledged > 0
    row = json.loads(crash.as_json(harm, verdict, seed=SEED))
    assert list(row) == KEYS
    assert row["kills"] == KILLS


@pytest.mark.stack
def test_the_oracle_sees_what_was_taken_away_doubled_or_miscounted(wreck):
    running, senders, _ = wreck
    batches = [batch for sender in senders for batch in sender.acknowledged]
    lost, doubled = (
        event_id(batch.node, batch.epoch, batch.first_seq)
        for batch in [
            next(b for b in batches if 0 not in b.refused and b.node == node) for node in (0, 1)
        ]
    )
    first = batches[0]
    before = oracle.judge(running, batches)

    running.rows("DELETE FROM email_events WHERE event_id = %s", lost)
    running.rows(
        "INSERT INTO email_events (occurred_at, event_id, event_type, direction, mta_node,"
        " source, certainty) SELECT occurred_at + interval '1 second', event_id, event_type,"
        " direction, mta_node, source, certainty FROM email_events WHERE event_id = %s",
        doubled,
    )
    running.rows(
        "UPDATE ledger_epoch SET received = received - int8multirange(int8range(%s, %s))"
        " WHERE epoch = %s",
        first.first_seq,
        first.first_seq + 1,
        f"crash-{first.node}-{first.epoch}",
    )
    verdict = oracle.judge(running, batches[:-1])

    assert verdict.missing == before.missing + 1
    assert verdict.twice == before.twice + 1
    assert verdict.rollup_difference >= before.rollup_difference + 2
    assert verdict.never_acknowledged == len(batches[-1].valid_ids)
    assert verdict.ledger_difference > before.ledger_difference
    assert f"missing {lost}" in verdict.examples
    assert not verdict.is_clean
