"""Causes and histories that a round reads: blocks and what they lead to, oplogs that are full."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from server.alerts.blocks.models import Block
from server.alerts.conditions.catalogue import DEFAULT_RULES
from server.alerts.evaluator.gathering import take_snapshot
from server.alerts.models import Alert, Incident, OutboxNotification
from server.mailqueues.models import MailQueueSnapshot
from server.metrics.mail_queue import QueueDestination
from server.metrics.models import MongoDbSample
from server.observability.backlog import NOTHING_WAITS
from server.rollups.mail.details import count_all
from tests.factories import mail_queue, row, write

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_route")]
BLOCK = "Yahoo ip 192.0.2.7"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
REFUSAL = {
    "event_type": "bounced", "provider": "Yahoo", "to_domain": "yahoo.example",
    "sending_ip": "192.0.2.7", "mta_node": "mta-01", "bounce_message": "550 5.7.1 no",
}  # fmt: skip


@pytest.fixture
def block(make_node):
    """Store an open block, the bounces of half an hour behind it, and mail that waits for it."""
    node = make_node(contact_s=3_000)
    events = [
        row(
            occurred_at=NOW + timedelta(seconds=30 * number),
            attempt=1,
            **(REFUSAL if number % 2 else {"event_type": "delivered"}),
        )
        for number in range(100)
        for _ in range(8)
    ]
    write(*events)
    count_all(NOW + timedelta(minutes=50))
    waiting = msgspec.structs.replace(
        mail_queue("mta-01", mta_01=30_000),
        destinations=[QueueDestination("yahoo.example", [0, 0, 0, 29_000, 0, 0, 0])],
    )
    for minute in range(30, 51):
        fields = msgspec.to_builtins(waiting)
        at = NOW + timedelta(minutes=minute)
        MailQueueSnapshot.objects.create(node=node, time=at, **fields)
    return Block.objects.create(
        kind="ip", provider="Yahoo", subject="192.0.2.7", started_at=NOW, found_at=NOW,
        refused_at=NOW, refused_count=30, taken_count=0, reply="550 5.7.1 no",
    )  # fmt: skip


def test_what_an_open_block_leads_to_hangs_under_it_and_wakes_nobody(block, watch):
    watch(2_400, 3_000)

    cause = Alert.objects.get(rule="provider_blocking")
    effects = Alert.objects.filter(fired_at__isnull=False).exclude(pk=cause.pk)
    assert {alert.rule for alert in effects} == {
        "bounce_share_very_high", "destination_failing", "queue_long", "queue_very_long",
    }  # fmt: skip
    assert {alert.suppression for alert in effects} == {"inhibited"}
    assert {alert.incident for alert in effects} == {cause.incident}
    assert {alert.evidence["block"] for alert in effects} == {BLOCK}
    (incident,) = Incident.objects.filter(ended_at=None)
    assert incident.text.startswith("Yahoo refuses the mail of 192.0.2.7")
    assert list(OutboxNotification.objects.values_list("transition__alert", flat=True)) == [
        cause.pk
    ]


def test_a_block_that_has_ended_leads_to_bounces_for_as_long_as_windows_hold_them(block):
    Block.objects.update(ended_at=NOW + timedelta(minutes=40))
    after = NOW + timedelta(minutes=54), NOW + timedelta(minutes=56)

    seen = [take_snapshot(at, backlog=NOTHING_WAITS) for at in after]

    assert [list(each.blocked) for each in seen] == [[BLOCK], []]
    assert seen[0].blocked[BLOCK].nodes == {"mta-01"}
    assert seen[0].providers == {"yahoo.example": "Yahoo"}
    assert not seen[0].blocks


def test_an_oplog_is_short_once_it_drops_what_it_holds(make_node):
    node = make_node()
    windows = {-1_000: 3_000, 0: 3_100}  # a quarter of it ago it held nearly as much
    for after_s, window_s in windows.items():
        at = NOW + timedelta(seconds=after_s)
        MongoDbSample.objects.create(node=node, time=at, oplog_window_s=window_s)
    (full,) = _read_oplogs()
    MongoDbSample.objects.filter(time__lt=NOW).update(oplog_window_s=2_100)

    assert (full.subject.name, full.value) == ("mta-01", 3_100.0)
    assert _read_oplogs() == []


def _read_oplogs():
    rule = DEFAULT_RULES["mongodb_oplog_short"]
    return list(rule.condition.read(take_snapshot(NOW, backlog=NOTHING_WAITS), rule.values))
