"""The comparison of captured events with those there must be sees each fault."""

import json
from dataclasses import replace

import pytest

from build.stack.feeder import Message
from tests.system.e2e import outbound_mail
from tests.system.e2e.comparison import judge_mail
from tests.system.e2e.outbound_mail import ApiMessage, RelayedMessage, Submitted


def line(recipient, reply, *, sender="alice@corp.example", message_id=None):
    return {
        "recipient": recipient,
        "reply": reply,
        "sender": sender,
        "client_ip": "127.0.0.2",
        "message_id": message_id,
        "size_bytes": 900 if reply.startswith("2") else None,
    }


def submit(*recipients, sender="alice@corp.example", queue_id="1a1f"):
    message = Message(
        message_id="<1@stack.example>", sender=sender, recipients=recipients, body_bytes=1
    )
    return Submitted(message, queue_id)


LOG = [
    line("ok-1@good.example", "250 taken"),
    line("defer-2@good.example", "451 later"),
    line("defer-2@good.example", "451 later"),
    line("defer-2@good.example", "451 later"),
    line("alice@corp.example", "250 taken", sender="<>", message_id="<dsn@mta>"),
]


@pytest.fixture
def expected_mail():
    return outbound_mail.build_expected([submit("ok-1@Good.example", "defer-2@good.example")], LOG)


def judge(expected_mail, captured, **options):
    return judge_mail("plugin", messages=1, expected=expected_mail, captured=captured, **options)


def test_the_sinks_log_becomes_every_attempt_and_the_notification(expected_mail):
    assert sorted(
        (e.recipient, e.event_type, e.fields["attempt"]) for e in expected_mail.values()
    ) == [
        ("alice@corp.example", "delivered", 1),
        ("alice@corp.example", "sent", 0),
        ("defer-2@good.example", "bounced", 3),
        ("defer-2@good.example", "deferred", 1),
        ("defer-2@good.example", "deferred", 2),
        ("defer-2@good.example", "sent", 0),
        ("ok-1@good.example", "delivered", 1),
        ("ok-1@good.example", "sent", 0),
    ]


def test_what_is_as_it_should_be_is_clean(expected_mail):
    verdict = judge(expected_mail, expected_mail.values())

    assert verdict.is_clean
    assert json.loads(verdict.format_json()) == {
        "mode": "plugin", "messages": 1, "expected": 8, "missing": 0, "twice": 0, "wrong": 0,
        "unexpected": 0, "inferred": 0, "inferred_wrong": 0,
    }  # fmt: skip


def test_a_missing_a_doubled_and_an_invented_event_are_noticed(expected_mail):
    first, second, *others = expected_mail.values()
    invented = replace(second, recipient="nobody@good.example")

    verdict = judge(expected_mail, [second, second, *others, invented])

    assert (verdict.missing, verdict.twice, verdict.unexpected) == (1, 1, 1)
    assert first.recipient in verdict.examples["missing"][0]


@pytest.mark.parametrize(
    "change",
    [
        {"attempt": 9},
        {"reply": "250 else"},
        {"sender": "eve@corp.example"},
        {"sending_ip": "127.0.0.9"},
        {"zone": "bulk"},
        {"size_bytes": 1},
        {"queue_id": "other"},
    ],
)
def test_each_wrong_field_is_noticed(expected_mail, change):
    captured = [
        replace(event, fields={**event.fields, **change})
        if event.key[1:3] == ("ok-1@good.example", "delivered")
        else event
        for event in expected_mail.values()
    ]

    verdict = judge(expected_mail, captured)

    assert verdict.wrong == 1
    assert list(verdict.wrong_fields) == list(change)


@pytest.mark.parametrize(("certainty", "wrong"), [("reported", (1, 0)), ("inferred", (0, 1))])
def test_an_outcome_captured_as_another_is_wrong_unless_it_was_inferred(
    expected_mail, certainty, wrong
):
    captured = [
        replace(event, event_type="delivered", certainty=certainty)
        if event.event_type == "bounced"
        else event
        for event in expected_mail.values()
    ]

    verdict = judge(expected_mail, captured)

    assert (verdict.wrong, verdict.inferred_wrong) == wrong
    assert (verdict.missing, verdict.unexpected) == (0, 0)


def test_of_a_message_that_was_not_answered_only_the_sink_knows():
    unsure = [submit("ok-1@good.example", "ok-9@good.example", queue_id=None)]

    events = outbound_mail.build_expected(unsure, LOG[:1])

    assert {event.recipient for event in events.values()} == {"ok-1@good.example"}


def test_the_same_seed_gives_the_same_messages_and_no_recipient_twice():
    first, again = (list(outbound_mail.generate_messages(200, seed=7)) for _ in range(2))
    names = [name for message in first for _, name, _ in Submitted(message, None).list_recipients()]

    assert first == again
    assert len(set(names)) == len(names)
    assert {outbound_mail.parse_kind(name) for name in names} == set(outbound_mail.KINDS)
    assert {type(message) for message in first} == {Message, ApiMessage, RelayedMessage}


def test_relays_of_one_address_are_two_deliveries():
    relayed = RelayedMessage(
        message_id="<1@stack.example>",
        sender="alice@corp.example",
        recipients=2 * ("ok-1@Good.example",),
        body_bytes=1,
    )
    log = [line("ok-1@good.example", "250 one"), line("ok-1@good.example", "250 two")]

    expected = outbound_mail.build_expected([Submitted(relayed, "1a1f")], log).values()

    assert [(e.recipient, e.event_type, e.fields.get("reply")) for e in expected] == [
        ("ok-1@good.example 001", "sent", None),
        ("ok-1@good.example 001", "delivered", "250 one"),
        ("ok-1@good.example 002", "sent", None),
        ("ok-1@good.example 002", "delivered", "250 two"),
    ]
