"""Sending from the outbox to real receivers on loopback."""

import json
import socket
import threading
import time
from contextlib import suppress
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from server.alerts.models import (
    Alert,
    AlertTransition,
    Channel,
    DeliveryAttempt,
    Incident,
    NotificationRoute,
    OutboxNotification,
)
from server.alerts.notifications import outbox, planning, sender, store
from server.alerts.notifications.secrets import encrypt
from server.timescale import retention
from tests.fakes.receiver import run_receiver

pytestmark = pytest.mark.django_db(transaction=True)
NOW = timezone.now
SECRET_PATH = "/services/T0/very-secret"


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.NOTIFICATION_NETWORKS = ["127.0.0.0/8"]
    settings.PUBLIC_URL = "https://mallard.example"


@pytest.fixture
def receiver():
    with run_receiver() as one:
        yield one


def make_channel(receiver, *, kind="webhook", name="ops", **values):
    url = f"http://127.0.0.1:{receiver.port}{SECRET_PATH}"
    return Channel.objects.create(
        name=name, kind=kind, secrets=encrypt({"url": url, "secret": "key"}), **values
    )


def make_alert(subject="mta-01", *, severity="critical", rule="node_silent"):
    now = NOW()
    incident = Incident.objects.create(
        cause=rule, severity=severity, text="silent", started_at=now, joined_at=now
    )
    return Alert.objects.create(
        rule=rule,
        severity=severity,
        kind="node",
        subject=subject,
        node=subject,
        state="firing",
        since=now,
        started_at=now,
        fired_at=now,
        notified_at=now,
        incident=incident,
    )


def put(alert, *, kind="firing", channel="ops", age_s=0.0, key=None):
    at = NOW() - timedelta(seconds=age_s)
    to_state = "ok" if kind == "resolved" else "firing"
    flip = AlertTransition.objects.create(
        alert=alert, at=at, from_state="pending", to_state=to_state, text=f"{alert.subject} silent"
    )
    return OutboxNotification.objects.create(
        transition=flip,
        incident=alert.incident,
        kind=kind,
        route="all",
        channel=channel,
        idempotency_key=key or f"{kind}-{alert.pk}-{channel}",
        created_at=at,
        next_attempt_at=at,
    )


def states():
    return list(OutboxNotification.objects.order_by("pk").values_list("state", flat=True))


def bodies(receiver):
    return [json.loads(each.body) for each in receiver.received]


def test_a_notification_arrives_signed_and_is_logged(receiver):
    make_channel(receiver)
    put(make_alert())

    assert sender.drain("ops") is False

    assert states() == ["sent"]
    (one,) = receiver.received
    assert one.path == SECRET_PATH
    assert "x-mallard-signature" in one.headers
    attempt = DeliveryAttempt.objects.get()
    assert (attempt.status, attempt.error) == (200, "")


@pytest.mark.parametrize(
    "answer",
    [
        500,
        404,
        (302, {"Location": "http://169.254.169.254/latest/meta-data/"}, b""),
        lambda handler: handler.connection.shutdown(socket.SHUT_RDWR),
        lambda handler: handler.wfile.write(b"HTTP/1.1 nonsense\r\n\r\n"),
        (200, {"Content-Encoding": "gzip"}, b"not gzip"),
    ],
    ids=["500", "404", "redirect", "closed", "nonsense", "bad gzip"],
)
def test_what_fails_waits_and_is_sent_again_with_the_same_key(receiver, answer):
    is_taken = isinstance(answer, tuple) and answer[0] == 200
    receiver.answers = [answer]
    make_channel(receiver)
    row = put(make_alert())

    sender.drain("ops")
    if not is_taken:
        row.refresh_from_db()
        assert row.state == "waiting"
        assert row.next_attempt_at > NOW()
        assert row.last_error
        assert "very-secret" not in row.last_error
        OutboxNotification.objects.update(next_attempt_at=NOW())
        with time_machine.travel(NOW() + timedelta(seconds=90), tick=True):
            sender.drain("ops")

    assert states() == ["sent"]
    assert len({each["key"] for each in bodies(receiver)}) == 1
    assert len({each["acknowledge_url"] for each in bodies(receiver)}) == 1
    assert DeliveryAttempt.objects.count() == (1 if is_taken else 2)


def test_a_redirect_is_not_followed(receiver):
    receiver.answers = [(302, {"Location": f"{receiver.url}/elsewhere"}, b"")]
    make_channel(receiver)
    put(make_alert())

    sender.drain("ops")

    assert len(receiver.received) == 1


def test_an_address_that_is_not_public_is_refused_before_anything_is_sent(receiver, settings):
    settings.NOTIFICATION_NETWORKS = []
    make_channel(receiver)
    row = put(make_alert())

    sender.drain("ops")

    row.refresh_from_db()
    assert "NOTIFICATION_NETWORKS" in row.last_error
    assert receiver.received == []


def test_retry_after_is_respected(receiver):
    receiver.answers = [(429, {"Retry-After": "1800"}, b"slow down")]
    make_channel(receiver)
    row = put(make_alert())

    sender.drain("ops")

    row.refresh_from_db()
    assert row.next_attempt_at > NOW() + timedelta(minutes=25)


def test_what_cannot_be_sent_for_a_day_is_given_up(receiver):
    receiver.answers = [500]
    make_channel(receiver)
    put(make_alert(), age_s=86_500)

    sender.drain("ops")

    assert states() == ["given_up"]


def test_the_all_clear_waits_for_the_alarm_that_failed(receiver):
    receiver.answers = [500]
    make_channel(receiver)
    alert = make_alert()
    put(alert, age_s=2)
    put(alert, kind="resolved")

    sender.drain("ops")
    assert [each["kind"] for each in bodies(receiver)] == ["firing"]

    OutboxNotification.objects.update(next_attempt_at=NOW())
    sender.drain("ops")
    assert [each["kind"] for each in bodies(receiver)] == ["firing", "firing", "resolved"]


def test_a_notification_that_fails_does_not_hold_up_those_of_other_alerts(receiver):
    receiver.answers = [400]
    make_channel(receiver)
    put(make_alert("mta-01"), age_s=2)
    put(make_alert("mta-02"))

    sender.drain("ops")

    assert states() == ["waiting", "sent"]


def test_two_senders_at_once_send_each_notification_once(receiver):
    receiver.answers = [lambda handler: (time.sleep(0.3), handler.send_response(200),
                                         handler.send_header("Content-Length", "0"),
                                         handler.end_headers())] * 3  # fmt: skip
    make_channel(receiver)
    for number in range(3):
        put(make_alert(f"mta-{number}"))

    def drain():
        sender.drain("ops")
        connection.close()

    threads = [threading.Thread(target=drain) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert states() == ["sent"] * 3
    assert sorted(each["subject"] for each in bodies(receiver)) == ["mta-0", "mta-1", "mta-2"]


def test_what_a_sender_that_died_left_is_sent_again_with_its_key(receiver):
    channel = make_channel(receiver)
    row = put(make_alert())
    claimed = outbox.claim_channel("ops", NOW())
    outbox.claim_next(claimed, NOW(), digests=False)
    assert sender.drain("ops") is False
    assert receiver.received == []  # the claim of the dead one still holds

    late = NOW() + outbox.CLAIM + timedelta(seconds=1)
    sender.drain("ops", lambda: late)

    row.refresh_from_db()
    channel.refresh_from_db()
    assert (row.state, row.attempts_count) == ("sent", 2)
    assert [each["key"] for each in bodies(receiver)] == [row.idempotency_key]
    assert channel.claimed_until is None


def test_many_at_once_come_as_one_message_and_stay_one_when_it_is_sent_again(receiver, settings):
    settings.PUBLIC_URL = ""  # links are signed with the time
    receiver.answers = [503]
    make_channel(receiver, kind="slack", digest_over=5)
    for number in range(12):
        put(make_alert(f"mta-{number:02}", severity="warning"))

    sender.drain("ops")
    put(make_alert("late"))
    OutboxNotification.objects.exclude(attempts_count=0).update(next_attempt_at=NOW())
    OutboxNotification.objects.filter(transition__alert__subject="late").update(
        next_attempt_at=NOW() + timedelta(hours=1)
    )
    sender.drain("ops")

    assert len(receiver.received) == 2
    first, second = receiver.received
    assert first.body == second.body
    assert "12 alerts" in json.loads(first.body)["text"]
    assert states() == ["sent"] * 12 + ["waiting"]


def test_a_program_gets_each_alert_by_itself(receiver):
    make_channel(receiver, digest_over=5)
    for number in range(12):
        put(make_alert(f"mta-{number:02}"))

    sender.drain("ops")

    assert len(receiver.received) == 12


def test_what_is_not_critical_waits_until_the_quiet_hours_are_over(receiver):
    make_channel(receiver)
    now = NOW()
    NotificationRoute.objects.create(
        name="all",
        steps=[{"after_min": 0, "channels": ["ops"]}],
        quiet_from=(now - timedelta(hours=1)).time(),
        quiet_to=(now + timedelta(hours=1)).time(),
    )
    put(make_alert("mta-01", severity="warning"))
    put(make_alert("mta-02"))

    sender.drain("ops")

    assert [each["subject"] for each in bodies(receiver)] == ["mta-02"]
    row = OutboxNotification.objects.get(state="waiting")
    assert row.attempts_count == 0
    assert timedelta(minutes=55) < row.next_attempt_at - now < timedelta(minutes=65)


def test_a_channel_that_is_gone_or_switched_off_is_said_in_the_log(receiver):
    make_channel(receiver, is_enabled=False)
    put(make_alert())
    put(make_alert("mta-02"), channel="gone")

    sender.drain("ops")
    sender.drain("gone")

    assert states() == ["given_up", "given_up"]
    assert list(OutboxNotification.objects.values_list("last_error", flat=True)) == [
        "the channel is switched off",
        "there is no channel gone any more",
    ]


def test_secrets_that_no_key_opens_are_said_and_not_sent(receiver, settings):
    make_channel(receiver)
    row = put(make_alert())
    settings.SECRET_KEY = "another" * 10

    sender.drain("ops")

    row.refresh_from_db()
    assert "SECRET_KEY" in row.last_error
    assert receiver.received == []


def send_to(trickle, receiver, monkeypatch):
    """Send a notification to a service that takes longer than one may."""
    monkeypatch.setattr("server.alerts.notifications.http.MAX_TOTAL_S", 0.3)
    receiver.answers = [trickle]
    make_channel(receiver)
    row = put(make_alert())
    sender.drain("ops")
    row.refresh_from_db()
    return row


def test_a_service_that_never_ends_its_reply_is_left(receiver, monkeypatch):
    def trickle(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        for _ in range(200):
            try:
                handler.wfile.write(b"x")
                handler.wfile.flush()
            except OSError:
                return
            time.sleep(0.02)

    row = send_to(trickle, receiver, monkeypatch)

    assert "no whole reply" in row.last_error


def test_a_service_that_never_ends_its_header_is_left(receiver, monkeypatch):
    def trickle(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        with suppress(OSError):
            while True:
                handler.wfile.write(b"x")
                time.sleep(0.02)

    row = send_to(trickle, receiver, monkeypatch)

    assert row.state == "waiting"


def test_a_service_that_repeats_the_address_puts_no_secret_into_the_log(receiver, caplog):
    receiver.answers = [(404, {}, f"Cannot POST {SECRET_PATH} for key".encode())]
    make_channel(receiver)
    row = put(make_alert())

    sender.drain("ops")

    row.refresh_from_db()
    assert row.last_error == "HTTP 404: Cannot POST /[secret] for key"
    assert "very-secret" not in caplog.text


def test_old_alerts_go_with_their_notifications_and_attempts_and_so_do_old_tests(
    receiver, settings
):
    settings.ALERTS_RETENTION_DAYS = 30
    make_channel(receiver)
    for subject in ("old", "new", "open"):
        put(make_alert(subject))
    store.send_test(Channel.objects.get(), NOW())
    sender.drain("ops")
    old = NOW() - timedelta(days=31)
    for model in (Alert, Incident):
        field = "subject" if model is Alert else "alerts__subject"
        model.objects.filter(**{field: "old"}).update(ended_at=old)
        model.objects.filter(**{field: "new"}).update(ended_at=NOW() - timedelta(days=29))
    OutboxNotification.objects.filter(kind="test").update(created_at=old)

    retention.delete_old_rows(NOW())

    left = OutboxNotification.objects.values_list("transition__alert__subject", flat=True)
    assert sorted(left) == ["new", "open"]
    assert Incident.objects.count() == AlertTransition.objects.count() == 2
    assert set(DeliveryAttempt.objects.values_list("notification", flat=True)) <= set(
        OutboxNotification.objects.values_list("pk", flat=True)
    )


def test_who_was_told_by_escalation_gets_the_all_clear(receiver):
    make_channel(receiver)
    make_channel(receiver, name="boss")
    NotificationRoute.objects.create(
        name="all",
        steps=[
            {"after_min": 0, "channels": ["ops"]},
            {"after_min": 15, "channels": ["boss"]},
        ],
    )
    alert = make_alert()
    put(alert, age_s=1000)

    planning.plan_notifications(NOW())
    planning.plan_notifications(NOW())
    escalated = OutboxNotification.objects.filter(kind="escalated")
    assert [row.channel for row in escalated] == ["boss"]

    Alert.objects.update(state="ok", ended_at=NOW())
    put(alert, kind="resolved")
    planning.plan_notifications(NOW())
    planning.plan_notifications(NOW())

    resolved = OutboxNotification.objects.filter(kind="resolved").order_by("channel")
    assert [row.channel for row in resolved] == ["boss", "ops"]


def test_nobody_is_escalated_to_once_the_incident_is_acknowledged(receiver):
    NotificationRoute.objects.create(
        name="all",
        steps=[{"after_min": 0, "channels": ["ops"]}, {"after_min": 15, "channels": ["boss"]}],
    )
    alert = make_alert()
    put(alert, age_s=1000)
    Incident.objects.update(acknowledged_at=NOW(), acknowledged_by="anna")

    assert planning.plan_notifications(NOW()) == 0
