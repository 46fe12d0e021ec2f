"""The outage of the server: which call is due, over restarts and failing receivers."""

import hashlib
import hmac
import json
import threading
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from agent import clock
from agent.config import OutageWebhook as Settings
from agent.config import Secret
from agent.transport import outage_webhook, webhook
from agent.transport.outage import Outage, advance, begin_attempt, finish_attempt
from agent.transport.outage_webhook import FILE_NAME, OutageWebhook, load
from agent.transport.stats import TransportStats
from agent.transport.webhook import CallError, Webhook
from agent.wire import FailingSends
from tests.fakes.local_server import Dripping, Talker
from tests.fakes.receiver import run_receiver
from tests.waiting import until

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
AFTER_S = 300.0


class Node:
    """A node with its outage, step by step."""

    def __init__(self):
        self.outage, self.now = Outage(), NOW
        self.accepted = []

    def wait(self, seconds, *, reached=None, answers=True):
        """Let time pass, and make the call that is due; `answers`: whether it is accepted."""
        self.now += timedelta(seconds=seconds)
        self.outage = advance(
            self.outage, reached=reached, elapsed_s=seconds, after_s=AFTER_S, now=self.now
        )
        if self.outage.call is not None:
            self.outage = begin_attempt(self.outage)
            call = self.outage.call
            if answers:
                self.accepted.append((call.kind, call.key))
            self.outage = finish_attempt(self.outage, "" if answers else "HTTP 500", self.now)
        # What is stored is all that it knows.
        self.outage = msgspec.json.decode(msgspec.json.encode(self.outage), type=Outage)

    @property
    def kinds(self):
        return [kind for kind, _ in self.accepted]


def test_it_calls_once_after_the_time_and_once_when_the_server_is_reached():
    node = Node()
    node.wait(10, reached=True)
    node.wait(10, reached=False)
    node.wait(299)
    assert node.kinds == []
    node.wait(1)
    for _ in range(20):
        node.wait(60, reached=False)
    assert node.kinds == ["unreachable"]

    node.wait(10, reached=True)
    node.wait(10, reached=True)

    assert node.kinds == ["unreachable", "reachable"]


def test_a_short_outage_calls_nobody_and_a_single_accepted_request_ends_it():
    node = Node()
    for _ in range(50):
        node.wait(10, reached=False)
        node.wait(280, reached=False)
        node.wait(5, reached=True)
    assert node.kinds == []


def test_without_any_request_there_is_no_outage():
    node = Node()
    node.wait(3600)
    assert node.outage == Outage()


def test_a_failed_call_is_made_again_with_the_same_key():
    node = Node()
    node.wait(1, reached=False)
    node.wait(300, answers=False)
    key = node.outage.call.key
    node.wait(60, answers=False)
    assert node.outage.call.key == key
    assert node.outage.failures_total == 2

    node.wait(60)

    assert node.accepted == [("unreachable", key)]
    assert node.outage.last_error == ""


def test_the_end_of_an_outage_that_was_attempted_in_vain_is_reported():
    node = Node()
    node.wait(1, reached=False)
    node.wait(300, answers=False)
    node.wait(60, reached=True)
    assert node.kinds == ["reachable"]
    assert not node.outage.is_reported


def test_an_end_that_did_not_arrive_is_no_second_alarm():
    """The receiver still takes the server for away, which it is again."""
    node = Node()
    node.wait(1, reached=False)
    node.wait(300)
    node.wait(10, reached=True, answers=False)
    node.wait(10, reached=False, answers=False)
    node.wait(400, reached=False, answers=False)
    assert node.outage.call is None

    node.wait(10, reached=True)

    assert node.kinds == ["unreachable", "reachable"]


# The worker


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(outage_webhook, "MAX_LOOK_S", 0.01)
    monkeypatch.setattr("agent.transport.outage.RETRY_S", (0.05,))


def make_worker(tmp_path, stats, url, secret=""):
    settings = Settings(url=Secret(url), secret=Secret(secret), after_s=0.05)
    return OutageWebhook(
        settings, stats, node="mta-01", server="https://mallard.example", directory=tmp_path
    )


def fail(stats, reason="https://mallard.example answered 401"):
    stats.record_send(1.0, accepted=False)
    stats.note_outcome("/x", FailingSends("/x", 1, clock.utc_now(), reason, "", 401))


def test_calls_are_signed_and_survive_restarts(tmp_path, quick, in_thread):
    stats = TransportStats()
    with run_receiver() as receiver:
        stop = in_thread(make_worker(tmp_path, stats, receiver.url, "shared"))
        fail(stats, "a\nb\x1b[2J")
        until(lambda: load(tmp_path / FILE_NAME).calls_total == 1)
        stop.set()

        again = TransportStats()
        in_thread(make_worker(tmp_path, again, receiver.url, "shared"))
        fail(again)
        again.record_send(1.0, accepted=True)
        until(lambda: load(tmp_path / FILE_NAME).calls_total == 2)

    first, second = receiver.received
    body = json.loads(first.body)
    assert body["kind"] == "unreachable"
    assert body["reason"] == "a\\nb\\x1b[2J"
    assert body["key"] == first.headers["idempotency-key"]
    assert json.loads(second.body)["kind"] == "reachable"
    t, _, signature = first.headers["x-mallard-signature"].partition(",v1=")
    signed = t.removeprefix("t=").encode() + b"." + first.body
    assert signature == hmac.new(b"shared", signed, hashlib.sha256).hexdigest()


def test_a_failing_receiver_is_called_again_and_counted(tmp_path, quick, in_thread):
    stats = TransportStats()
    with run_receiver() as receiver:
        receiver.answers = [500, (302, {"Location": "http://169.254.169.254/"}, b"")]
        worker = make_worker(tmp_path, stats, receiver.url)
        in_thread(worker)
        fail(stats)
        until(lambda: load(tmp_path / FILE_NAME).calls_total == 3)

    assert worker.failures_total == 2
    assert len({each.headers["idempotency-key"] for each in receiver.received}) == 1


def test_a_damaged_state_is_a_first_start(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"\x00\xff{")
    assert load(tmp_path / FILE_NAME) == Outage()


# The call


def test_a_receiver_that_drips_is_left_at_the_deadline(monkeypatch):
    monkeypatch.setattr(webhook, "MAX_CALL_S", 0.3)
    with Dripping(b"HTTP/1.1 200 OK\r\nX: ") as server:
        its = Webhook(f"http://127.0.0.1:{server.port}/secret-path")
        errors = []

        def call():
            try:
                its.call(b"{}", key="k")
            except CallError as error:
                errors.append(str(error))

        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        until(lambda: its.abort_overdue() or errors)

    assert errors == ["the webhook was not reached: no reply within 0.3 s"]


@pytest.mark.parametrize(
    "reply", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 999999 x\r\n\r\n"], ids=["closes", "none", "odd"]
)
def test_an_odd_reply_is_an_error_without_the_address(reply):
    with Talker(reply, closes=True) as server, pytest.raises(CallError) as caught:
        Webhook(f"http://127.0.0.1:{server.port}/secret-path").call(b"{}", key="k")
    assert "secret-path" not in str(caught.value)
