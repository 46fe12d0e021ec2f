"""Notifications of bounces, recorded: each explains its own outcome, however it is encoded."""

from datetime import UTC, datetime

import pytest

from agent.events.change_stream import mapping, zonemta
from tests.recorded import read_notifications

AT = datetime(2026, 11, 21, 10, 7, tzinfo=UTC)
FAILED = {"key": "x-failed-recipients", "line": "X-Failed-Recipients: a@x.example"}


def held_event(recipient, message_id):
    document = zonemta.parse_queue_document(
        {"id": "1a1f", "seq": "001", "recipient": recipient, "created": AT, "locked": True}
    )
    event = mapping.inferred_outcome(
        "mta-01",
        document,
        zonemta.Message(message_id=message_id),
        at_ms=0,
    )
    return mapping.to_held(event, document)


def notices_of(headers):
    data = {"id": "dsn", "interface": "bounce", "headers": headers}
    return mapping.bounce_notices(zonemta.parse_message_data(data))


@pytest.mark.parametrize(
    "case",
    read_notifications(),
    ids=lambda case: f"{case['recipient'][:30]} {case['message_id'][:20]}",
)
def test_a_notification_explains_the_bounce_whatever_its_recipient_and_message_id(case):
    (notice,) = notices_of(case["headers"])
    session = {"session_id": "s1"}

    event = held_event(case["recipient"], case["message_id"])._replace(**session)

    # Without its Message-ID the session alone names the message.
    notice = notice._replace(**session) if case["message_id"] == "<>" else notice
    assert mapping.find_bounce_notice(event, [notice]) is notice
    other = held_event(f"x{case['recipient']}", case["message_id"])._replace(**session)
    assert mapping.find_bounce_notice(other, [notice]) is None


@pytest.mark.parametrize(
    ("line", "recipients"),
    [
        ("=?utf-8?b?asO2cmdAZXjDpG1wbGUuZXhhbXBsZQ==?=", ["jörg@exämple.example"]),
        ("=?iso-8859-1?q?j=F6rg=40x=2Eexample?=", ["jörg@x.example"]),
        ("j\xc3\xb6rg@x.example", ["jörg@x.example"]),
        ("a@x.example, B@y.example", ["a@x.example", "b@y.example"]),
        ('"a, b"@x.example, c@y.example', ['"a, b"@x.example', "c@y.example"]),
        ('"open@x.example, c@y.example', ['"open@x.example', "c@y.example"]),
        ("Bob <bob@x.example>", ["bob@x.example"]),
        ("=?no-such-charset?q?x?=@x.example", ["=?no-such-charset?q?x?=@x.example"]),
        ("", []),
    ],
)
def test_failed_recipients_are_read_however_they_are_encoded(line, recipients):
    notices = notices_of([{"key": "x-failed-recipients", "line": f"X-Failed-Recipients: {line}"}])

    assert [notice.recipient for notice in notices] == recipients


def test_a_notification_of_delay_with_an_encoded_subject_explains_nothing():
    subject = (
        "=?UTF-8?Q?Delivery_Status_Notification_=28Delay?=\r\n =?UTF-8?Q?=3A_j=C3=B6rg=40x=29?="
    )

    assert notices_of([{"key": "subject", "line": f"Subject: {subject}"}, FAILED]) == []


def test_a_failure_of_a_recipient_whose_name_begins_like_a_delay_is_one():
    line = "Subject: Delivery Status Notification (Failure: (delay@x.example)"

    assert len(notices_of([{"key": "subject", "line": line}, FAILED])) == 1
