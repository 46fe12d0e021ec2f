"""The doctor on the webhook of outages: configured or not, its last call, its test."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from agent import cli
from agent.config import Config, OutageWebhook, Secret
from agent.doctor.outage import call_webhook, check_outage_webhook, judge_calls
from agent.transport.outage import Outage
from agent.transport.outage_webhook import FILE_NAME
from tests.fakes.receiver import run_receiver

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def configure(tmp_path, url=""):
    webhook = OutageWebhook(url=Secret(url))
    return Config(node_id="mta-01", state_dir=str(tmp_path), outage_webhook=webhook)


def test_without_a_webhook_it_notes_that_nobody_is_notified(tmp_path):
    (finding,) = check_outage_webhook(configure(tmp_path))
    assert (finding.level, finding.subject) == ("note", "outage webhook")
    assert call_webhook(configure(tmp_path)).level == "failure"


def test_the_last_call_is_shown_with_the_count_of_those_that_failed(tmp_path):
    outage = Outage(
        calls_total=3, failures_total=1, last_kind="reachable", last_called_at=NOW,
        last_error="the webhook answered 500",
    )  # fmt: skip
    finding = judge_calls(outage, after_s=300, now=NOW + timedelta(minutes=3))
    assert finding.level == "warning"
    assert finding.line == (
        "It is called when no request was accepted for 5 min; 3 calls, 1 failed, the last"
        " (reachable) 3 min ago: the webhook answered 500."
    )
    (tmp_path / FILE_NAME).write_bytes(msgspec.json.encode(outage))
    (finding,) = check_outage_webhook(configure(tmp_path, "https://alerts.example/"))
    assert finding.level == "warning"
    assert judge_calls(Outage(), after_s=300, now=NOW).level == "ok"


@pytest.mark.parametrize(("status", "level"), [(200, "ok"), (404, "failure")])
def test_a_test_is_sent_when_it_is_wanted(tmp_path, status, level):
    assert not cli._parser().parse_args(["doctor"]).call_webhook
    assert cli._parser().parse_args(["doctor", "--call-webhook"]).call_webhook
    with run_receiver() as receiver:
        receiver.answers = [status]
        assert call_webhook(configure(tmp_path, receiver.url)).level == level

    assert json.loads(receiver.received[0].body)["kind"] == "test"
