"""The recorded change stream of WildDuck's database, compared with what its programs logged."""

import json
from collections import Counter

import pytest
from bson import json_util

from agent.events.wildduck import database, mapping
from agent.wire import event_id
from tests.paths import SAMPLES

FOLDER = SAMPLES / "wildduck"
CHANGES = [*map(json_util.loads, (FOLDER / "changes.jsonl").read_text().splitlines())]
RECORDS = [json.loads(line) for line in (FOLDER / "gelf.jsonl").read_text().splitlines()]
INSERTED = [change["fullDocument"] for change in CHANGES if "fullDocument" in change]
MESSAGES = [each for each in INSERTED if "meta" in each]
LOGINS = [each for each in INSERTED if each.get("action")]
NOW = CHANGES[0]["wallTime"]


def stored(document, **options):
    return mapping.stored_event(document, node="mx-01", at=NOW, **options)


def test_copies_moves_uploads_and_sent_mail_are_no_deliveries():
    deliveries = [each for each in MESSAGES if mapping.is_delivery(each)]

    sources = Counter(each["meta"].get("source") for each in MESSAGES)
    assert sources == {"MX": 19, "IMAP": 1, "API": 1}
    assert len(deliveries) == 17  # one was copied, one moved


def test_a_delivery_has_the_transaction_the_account_and_the_copy():
    document = next(each for each in MESSAGES if each.get("outbound"))
    record = next(each for each in RECORDS if each.get("_target_queue_id") in document["outbound"])

    event = stored(document, path="INBOX", name="fwd@in.example")

    assert event.event_id == event_id("wildduck", str(document["_id"]), "", "stored")
    assert event.occurred_at == document["idate"]
    assert event.queue_id == document["meta"]["transactionId"]
    assert event.message_id == record["_message_id"]
    assert event.account == record["_user"] == str(document["user"])
    assert event.wildduck_id == str(document["_id"])
    assert (event.mailbox, event.account_name) == ("INBOX", "fwd@in.example")
    assert event.caused_queue_id == document["outbound"][0]
    assert event.client_ip is None  # WildDuck wrote the client's name in place of its address
    assert event.filter_outcome is None


def test_spam_is_told_apart():
    (document,) = [each for each in MESSAGES if each.get("junk")][:1]

    assert stored(document).filter_outcome == f"spam, {document['filters'][0]}"


def test_what_lmtp_took_has_no_queue_id_of_its_own():
    document = next(
        json_util.loads(json_util.dumps(each))
        for each in MESSAGES
        if mapping.is_delivery(each) and not isinstance(each["meta"]["transactionId"], str)
    )

    assert stored(document).queue_id is None
    document["meta"]["queueId"] = "4fXYZ1"
    assert stored(document).queue_id == "4fXYZ1"


def test_nothing_of_a_message_is_read_but_what_is_listed():
    kept = database.pipeline()[1]["$project"]

    for name in ("subject", "text", "html", "headers", "mimeTree", "intro", "envelope"):
        assert not any(field.startswith(f"fullDocument.{name}") for field in kept)
    assert "fullDocument" not in kept


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("success", "login"),
        ("fail", "login_failed"),
        ("disabled", "login_failed"),
        ("suspended", "login_failed"),
        (None, "login_failed"),
    ],
)
def test_each_result_of_a_login_is_told_apart(result, expected):
    document = next(
        each
        for each in LOGINS
        if each["action"] == "authentication" and each.get("result") == result
    )

    row = mapping.login_row(document)
    events = [
        mapping.login_event(row, str(document["_id"]), number, node="mx-01", at=NOW)
        for number in (1, 2)
    ]

    assert {each.event_type for each in events} == {expected}
    assert len({each.event_id for each in events}) == 2
    assert events[0].account == str(document["user"])
    assert events[0].status_message == (None if expected == "login" else result or "scope_disabled")
    assert events[0].protocol == document["protocol"].lower()
    assert events[0].scope == document["requiredScope"]


def test_other_actions_of_an_account_are_no_logins():
    assert mapping.login_row(next(each for each in LOGINS if "asp" in each["action"])) is None


@pytest.mark.parametrize("value", [None, 1, [], {}, "x" * 5000, "\x1b[2J"])
def test_odd_values_do_no_harm(value):
    document = MESSAGES[0] | {"msgid": value, "size": value, "outbound": value, "meta": value}

    assert stored(document).wildduck_id == str(document["_id"])
