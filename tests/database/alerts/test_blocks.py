"""Blocks are found in the raw events, kept up to date, and end when mail is taken again."""

import random
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
import time_machine
from django.db import connection, connections

from server.alerts.blocks import evaluation, queries
from server.alerts.blocks.actors import evaluate_blocks
from server.alerts.blocks.detection import Detector
from server.alerts.blocks.models import Block, BlockDetection
from server.observability import beats
from server.timescale import retention
from tests.factories import row, write
from tests.incidents.history import History
from tests.incidents.incidents import REPUTATION, Trouble
from tests.incidents.world import World

pytestmark = pytest.mark.usefixtures("committing_database", "empty_redis")
NOW = datetime(2026, 11, 21, 10, 7, 0, tzinfo=UTC)
ONSET, END = NOW - timedelta(minutes=30), NOW - timedelta(minutes=10)
MINUTE = timedelta(minutes=1)
MICROSOFT, BLOCKED, FREE = "Microsoft consumer", "192.0.2.7", "192.0.2.8"
REPLY = "550 5.7.1 Unfortunately, messages from [192.0.2.7] weren't sent. (S3150)"
_ids = count()


def attempt(at, *, ip=FREE, sender="alice", refused=False, **fields):
    """Return an event of a first attempt; `refused`: by the reputation of the IP."""
    refusal = {
        "event_type": "bounced", "status_code": 550, "bounce_message": REPLY,
        "bounce_class": "reputation", "reply_fingerprint": "5370000000000000",
    }  # fmt: skip
    return row(
        occurred_at=at, sending_ip=ip, auth_user=sender, provider=MICROSOFT, attempt=1,
        queue_id=f"q{next(_ids)}", from_domain=f"{sender}.example",
        **(refusal if refused else {}), **fields,
    )  # fmt: skip


def write_hours(*, until=NOW, end=None):
    """Store two hours in which three senders use two IPs, one of which is blocked from ONSET on."""
    events = []
    for minute in range(120):
        at = NOW - timedelta(minutes=120 - minute, seconds=-20)
        for number, sender in enumerate(("alice", "bob", "carol")):
            for ip in (FREE, BLOCKED):
                is_blocked = ip == BLOCKED and at >= ONSET and (end is None or at < end)
                moment = at + timedelta(seconds=number)
                if moment < until:
                    events.append(attempt(moment, ip=ip, sender=sender, refused=is_blocked))
    write(*events)


def evaluate(now=NOW):
    evaluation.catch_up(now + evaluation.SETTLES_AFTER)
    return [*Block.objects.all()]


def test_an_ip_that_is_refused_from_a_moment_on_is_a_block_with_its_evidence():
    write_hours()

    (block,) = evaluate()

    assert (block.kind, block.provider, block.subject) == ("ip", MICROSOFT, BLOCKED)
    assert block.started_at == ONSET + timedelta(seconds=20)
    assert block.found_at - block.started_at < timedelta(minutes=15)
    assert block.ended_at is None
    assert block.permanent_at == block.started_at
    assert (block.refused_count, block.taken_count) == (90, 0)
    assert block.senders == [["alice", 30], ["bob", 30], ["carol", 30]]
    assert (block.bounce_class, block.reply) == ("reputation", REPLY)
    assert block.replies == [
        {
            "fingerprint": "5370000000000000", "bounce_class": "reputation",
            "permanent": True, "count": 90,
        }
    ]  # fmt: skip
    first = block.evidence[0]
    assert first["ip"] == BLOCKED
    assert first["occurred_at"] == block.started_at.isoformat()


def test_a_second_evaluation_of_the_same_minutes_changes_nothing():
    write_hours()
    before = [vars(block) for block in evaluate()]
    state = bytes(BlockDetection.objects.get().cells)

    after = [vars(block) for block in evaluate()]

    assert [{**b, "_state": None} for b in before] == [{**b, "_state": None} for b in after]
    assert bytes(BlockDetection.objects.get().cells) == state


def test_a_block_that_was_found_goes_on_in_the_next_evaluation():
    write_hours()

    evaluate(NOW - timedelta(minutes=15))
    (block,) = evaluate()

    assert block.refused_count == 90


def test_a_block_ends_when_mail_is_taken_again():
    write_hours(end=END)

    (block,) = evaluate()

    assert block.end_reason == "taken"
    assert END <= block.ended_at <= END + 3 * MINUTE


def test_housekeeping_deletes_blocks_that_ended_long_ago_and_no_others(settings):
    settings.ALERTS_RETENTION_DAYS = 30
    write_hours()
    (block,) = evaluate()
    day = timedelta(days=1)
    for pk, days_ago in ((901, 31), (902, 29)):
        block.pk, block.ended_at = pk, NOW - days_ago * day
        block.save(force_insert=True)

    counts = retention.delete_old_rows(NOW)

    assert counts["blocks"] == 1
    assert not Block.objects.filter(pk=901).exists()
    assert Block.objects.count() == 2


def test_nothing_is_evaluated_while_another_one_does_it():
    write_hours()
    evaluate(NOW - timedelta(minutes=60))
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN; SELECT FROM alerts_blockdetection FOR UPDATE")
            assert evaluation.evaluate(NOW) == 0
            cursor.execute("ROLLBACK")
    finally:
        other.close()

    assert evaluation.evaluate(NOW) == 30


def test_a_state_that_cannot_be_read_begins_anew():
    write_hours()
    evaluate()
    BlockDetection.objects.update(cells=b"?", until=NOW - timedelta(minutes=40))

    blocks = evaluate()

    assert [(block.subject, block.ended_at is None) for block in blocks] == [(BLOCKED, True)]


def test_what_is_about_recipients_or_a_later_attempt_is_no_block():
    write_hours(until=ONSET)
    about_others = [
        {"bounce_class": "recipient"}, {"bounce_class": "full"}, {"bounce_class": "greylisted"},
        {"attempt": 3}, {"certainty": "inferred"},
    ]  # fmt: skip
    write(
        *(
            attempt(ONSET + minute * MINUTE, ip=BLOCKED, sender=f"s{n}", refused=True) | fields
            for minute in range(20)
            for n, fields in enumerate(about_others)
        )
    )

    assert evaluate() == []


def test_a_message_to_many_recipients_counts_once():
    write(
        *(attempt(ONSET, refused=True) | {"queue_id": "one"} for _ in range(50)),
    )

    (attempts,) = queries.read_attempts(ONSET, ONSET + MINUTE).by_minute.values()

    assert [(each.taken, each.refused) for each in attempts] == [(0, 1)]


def test_the_database_answers_what_a_replayed_history_holds_and_the_actor_finds_it():
    chance = random.Random(7)
    world = World(7, 150_000)
    trouble = Trouble("block", 60, 240, ("ip", "192.0.2.1"), "Google", "192.0.2.1",
                      replies=(REPUTATION,))  # fmt: skip
    minutes = [*History(world, [trouble], chance).minutes(120)]
    start = NOW - timedelta(minutes=120)
    events = []
    for number, attempts in minutes[40:]:
        for each in attempts:
            # A time within the minute that the history gives: of the refusals, or its begin.
            at = start + number * MINUTE
            first = row(
                occurred_at=at, sending_ip=each.ip, auth_user=each.sender, provider=each.provider,
                from_domain=each.domain,
            )  # fmt: skip
            for fields in outcomes(each):
                ids = {"queue_id": f"q{next(_ids)}", "event_id": row()["event_id"]}
                events.append(first | fields | ids)
    write(*events)

    with time_machine.travel(NOW + evaluation.SETTLES_AFTER, tick=False):
        evaluate_blocks()

    detector = Detector()
    expected = [
        (change.watch.kind, change.watch.provider, change.watch.subject)
        for number, attempts in minutes[40:]
        for change in detector.observe(
            (start + number * MINUTE).timestamp(),
            attempts,
            lambda provider, since, until=number: (
                each
                for minute, rows in minutes[40 : until + 1]
                for each in rows
                if each.provider == provider and (start + minute * MINUTE).timestamp() >= since
            ),
        )
    ]
    assert expected == [("ip", "Google", "192.0.2.1")]
    assert [(b.kind, b.provider, b.subject) for b in Block.objects.all()] == expected
    assert [beat.task for beat in beats.read() if not beat.error] == ["blocks-run"]


def outcomes(each):
    """Yield the fields of the events of attempts."""
    yield from ({"event_type": "delivered", "attempt": 1} for _ in range(each.taken))
    yield from ({"event_type": "delivered", "attempt": 2} for _ in range(each.taken_later))
    yield from ({"event_type": "deferred", "attempt": 2, "bounce_class": "rate"}
                for _ in range(each.refused_later))  # fmt: skip
    for reply in each.replies:
        yield from (
            {
                "event_type": "bounced" if reply.is_permanent else "deferred",
                "attempt": 1, "status_code": 550 if reply.is_permanent else 451,
                "bounce_class": reply.bounce_class, "reply_fingerprint": reply.fingerprint,
            }
            for _ in range(reply.messages)
        )  # fmt: skip


def test_attempts_of_a_minute_are_read_by_an_index_of_time():
    write_hours()
    with connection.cursor() as cursor:
        values = {"start": NOW - MINUTE, "end": NOW, "provider": None, "excluded": ["full"]}
        cursor.execute(f"EXPLAIN {queries.ATTEMPTS}", values)
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "Index Scan" in plan or "Bitmap Index Scan" in plan
