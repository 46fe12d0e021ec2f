"""Requests of each kind of channel, with hostile text in every field."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest

from server.alerts.notifications.channels import KINDS
from server.alerts.notifications.channels.kind import BadField
from server.alerts.notifications.channels.mail import build_mail
from server.alerts.notifications.channels.webhook import sign
from server.alerts.notifications.messages import Message, clean, read_evidence

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOSTILE = (
    "<!channel> @everyone *b* [x](http://evil) `c` ```d``` </pre><b>\u202e\x1b[31m\x00\r\nBcc: x"
)
URL = "https://mallard.example/alerts/incidents/7/"
VALUES = {
    "webhook": {"url": "https://hook.example/a?b=c", "secret": "key"},
    "slack": {"url": "https://hooks.slack.example/services/T/B/X"},
    "discord": {"url": "https://discord.example/api/webhooks/1/x"},
    "telegram": {"token": "1:x", "chat": "-100", "api": "https://api.telegram.example"},
    "ntfy": {"url": "https://ntfy.example", "topic": "mail", "token": "tk"},
    "pagerduty": {"routing_key": "R", "url": "https://events.example/v2/enqueue"},
    "teams": {"url": "https://teams.example/workflows/x"},
    "matrix": {"url": "https://matrix.example", "room": "!a/b:example", "token": "syt"},
    "apprise": {"url": "https://apprise.example/notify/key", "tag": "night"},
    "alertmanager": {"url": "https://am.example", "token": "tk"},
}


def message(**values):
    text = clean(HOSTILE)
    defaults = {
        "key": "k" * 32,
        "kind": "firing",
        "severity": "critical",
        "rule": "node_silent",
        "alert": "alert-7",
        "subject": text,
        "node": clean(HOSTILE, 64),
        "text": text,
        "at": NOW,
        "started_at": NOW,
        "url": URL,
        "acknowledge_url": URL + "acknowledge/",
        "incident": 7,
        "value": 1.5,
        "evidence": read_evidence({"last reply": HOSTILE, "empty": None}),
    }
    return Message(**defaults | values)


def build(name, **values):
    request = KINDS[name].build(message(**values), VALUES[name])
    return request, json.loads(request.body)


def test_no_channel_gets_a_control_or_a_mark_of_direction():
    for name in VALUES:
        request, _ = build(name)
        text = json.dumps(json.loads(request.body), ensure_ascii=False)
        assert not {"\u202e", "\x1b", "\x00", "\r"} & set(text), name


def test_every_kind_of_http_channel_is_held_against_hostile_text():
    assert VALUES.keys() == {name for name, kind in KINDS.items() if kind.build}


def test_a_webhook_is_signed_over_its_time_and_body():
    request, body = build("webhook")

    signature = request.headers["X-Mallard-Signature"]
    assert signature == sign("key", int(NOW.timestamp()), request.body)
    assert signature != sign("other", int(NOW.timestamp()), request.body)
    assert request.headers["Idempotency-Key"] == body["key"] == "k" * 32
    assert (body["version"], body["incident"], body["subject"]) == (1, 7, clean(HOSTILE))


def test_slack_finds_no_mention_and_no_style():
    _, body = build("slack")

    assert "<" not in body["text"]
    assert "&lt;!channel&gt;" in body["text"]
    texts = [b["text"] for b in body["blocks"] if b["type"] == "section"]
    assert {each["type"] for each in texts} == {"plain_text"}


def test_discord_mentions_nobody_and_its_block_of_code_is_not_left():
    _, body = build("discord")

    assert body["allowed_mentions"] == {"parse": []}
    description = body["embeds"][0]["description"]
    assert description.startswith("```\n")
    assert description.count("```") == 2


def test_telegram_reads_no_tag_but_ours():
    _, body = build("telegram")

    inner = body["text"].removeprefix("<pre>").removesuffix("</pre>")
    assert "<" not in inner
    assert ">" not in inner
    assert not body["disable_notification"]


def test_telegram_says_in_a_body_of_200_that_it_failed():
    assert KINDS["telegram"].read_error(b'{"ok":false,"description":"chat not found"}') == (
        "chat not found"
    )
    assert KINDS["telegram"].read_error(b'{"ok":true}') is None
    assert KINDS["telegram"].read_error(b"<html>") is None


def test_ntfy_wakes_people_for_what_is_critical_and_not_for_the_all_clear():
    assert build("ntfy")[1]["priority"] == 5
    assert build("ntfy", severity="warning")[1]["priority"] == 4
    assert build("ntfy", kind="resolved")[1]["priority"] == 2


def test_pagerduty_resolves_what_it_triggered():
    _, alarm = build("pagerduty")
    _, end = build("pagerduty", kind="resolved", key="another")

    assert (alarm["event_action"], end["event_action"]) == ("trigger", "resolve")
    assert alarm["dedup_key"] == end["dedup_key"]
    assert len(alarm["payload"]["summary"]) <= 1024


def test_teams_gets_runs_that_know_no_markdown():
    _, body = build("teams")

    card = body["attachments"][0]["content"]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}


def test_matrix_takes_the_key_as_its_transaction_and_mentions_nobody():
    request, body = build("matrix")

    assert request.method == "PUT"
    assert request.url.endswith(f"/rooms/%21a%2Fb%3Aexample/send/m.room.message/{'k' * 32}")
    assert body["m.mentions"] == {}


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ({}, "failure"),
        ({"severity": "warning"}, "warning"),
        ({"kind": "resolved"}, "success"),
        ({"kind": "test"}, "info"),
    ],
    ids=["critical", "warning", "all-clear", "test"],
)
def test_apprise_gets_plain_text_of_a_type(values, type_):
    request, content = build("apprise", **values)

    assert request.url == "https://apprise.example/notify/key"
    assert (content["type"], content["format"], content["tag"]) == (type_, "text", "night")
    assert URL in content["body"]


def test_alertmanager_ends_what_it_was_sent():
    _, (alarm,) = build("alertmanager")
    _, (end,) = build("alertmanager", kind="resolved")

    assert alarm["labels"] == end["labels"]
    assert alarm["endsAt"] > NOW.isoformat() == end["endsAt"]


def test_a_mail_has_the_headers_we_gave_it_and_no_others():
    values = {"sender": "mallard@example.com", "recipients": "ops@example.com, b@example.com"}

    mail = message_from_bytes(bytes(build_mail(message(), values)), policy=policy.default)

    assert mail["Bcc"] is None
    assert mail["To"] == "ops@example.com, b@example.com"
    assert mail["Subject"].startswith("[Mallard] CRITICAL: <!channel> @everyone")
    assert mail["Message-ID"] == f"<{'k' * 32}@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "text/plain"


def test_a_digest_lists_some_and_counts_the_others():
    digest = replace(message(), listed=("critical: a", "warning: b"), count=30)

    assert digest.title.startswith("30 alerts: ")
    assert digest.lines[:3] == ["- critical: a", "- warning: b", "and 28 more"]


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("webhook", "url", "ftp://example.com"),
        ("webhook", "url", "https://user:pw@example.com/"),
        ("webhook", "url", "https://exa mple.com/"),
        ("webhook", "url", "https://example.com:99999/"),
        ("webhook", "url", "https://example.com/\r\nX: y"),
        ("telegram", "token", "a b"),
        ("mail", "port", "0"),
        ("mail", "port", "²"),
        ("mail", "security", "ssl"),
        ("mail", "recipients", "ops"),
        ("mail", "sender", "a@b.example, c@d.example"),
        ("slack", "url", ""),
    ],
)
def test_a_field_that_cannot_be_used_is_refused_by_its_name(kind, field, value):
    values = VALUES.get(kind) or {
        "host": "relay.example",
        "port": "587",
        "sender": "a@b.example",
        "recipients": "c@d.example",
    }

    with pytest.raises(BadField, match=rf"^{field}: "):
        KINDS[kind].check(values | {field: value})


def test_a_field_nobody_knows_is_refused():
    with pytest.raises(BadField, match=r"^colour: not a field of Slack"):
        KINDS["slack"].check(VALUES["slack"] | {"colour": "red"})
