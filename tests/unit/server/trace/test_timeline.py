"""The story of a message, made of its events."""

from datetime import timedelta
from itertools import count

import pytest

from server.events.columns import NAMES
from server.trace.endings import Capture
from server.trace.timeline import MAX_DEPTH, MAX_MESSAGES, MAX_RECIPIENTS, build_trace, walk
from tests.factories import NOW

HARAKA = "5C6E9D2C-6D1F-4B6A-9C43-0A1B2C3D4E5F.1"
STORED = "65a1b2c3d4e5f60718293a4b"
WATCHED = Capture(("mailbox-01",))
numbers = count()


def event(event_type, direction="outbound", *, s=0, **fields):
    sources = {"inbound": "haraka_plugin", "outbound": "zonemta_plugin", "mailbox": "gelf"}
    return dict.fromkeys(NAMES) | {
        "event_id": f"{next(numbers):08}", "event_type": event_type, "direction": direction,
        "occurred_at": NOW + timedelta(seconds=s), "mta_node": "mta-01", "queue_id": "q1",
        "source": sources[direction], "certainty": "reported", "to_address": "bob@good.example",
    } | fields  # fmt: skip


def received(s=0, **fields):
    same = {"queue_id": HARAKA, "to_address": "user@here.example", "mta_node": "mx-01"} | fields
    return [
        event("received", "inbound", s=s, **same),
        event("delivered", "inbound", s=s + 1, **same),
    ]


def stored(s=2, **fields):
    same = {"queue_id": HARAKA, "to_address": "user@here.example", "wildduck_id": STORED}
    return event("stored", "mailbox", s=s, **same | {"mailbox": "INBOX"} | fields)


def story(*events, capture=WATCHED, after_s=300, limits=()):
    return build_trace(events, capture=capture, now=NOW + timedelta(seconds=after_s), limits=limits)


def test_no_event_is_no_story():
    assert story() is None


def test_a_delivery_is_a_line_of_steps_with_the_time_between():
    trace = story(
        event("delivered", s=310, mx_host="mx.good.example", attempt=2),
        event("sent"),
        event("deferred", s=2, attempt=1, bounce_class="rate"),
    )

    (message,) = trace.messages
    (recipient,) = message.recipients
    assert [(s.program, s.event["event_type"], s.to_next_s) for s in recipient.steps] == [
        ("ZoneMTA", "sent", 2.0),
        ("ZoneMTA", "deferred", 308.0),
        ("ZoneMTA", "delivered", None),
    ]
    assert (trace.text, trace.level, trace.is_over) == ("Delivered", "ok", True)


@pytest.mark.parametrize(
    ("events", "after_s", "state", "text", "is_over"),
    [
        ([event("sent")], 60, "waiting", "In the queue; no attempt yet", False),
        ([event("sent")], 3 * 3600, "unknown", "no attempt is known", False),
        ([event("sent"), event("deferred", s=5, attempt=1)], 60, "waiting",
         "Waits for the next attempt", False),
        ([event("deferred", attempt=1)], 3600, "unknown", "none is known", False),
        ([event("deferred", attempt=17)], 60, "waiting", "Waits for the next attempt", False),
        ([event("deferred", attempt=18)], 60, "unknown", "Deferred 18 times", False),
        ([event("bounced", bounce_class="policy")], 60, "bounced", "Bounced (policy)", True),
        ([event("delivered", certainty="inferred")], 60, "delivered", "is inferred", True),
        ([event("dropped")], 60, "dropped", "no notice goes to the sender", True),
        ([event("rejected", "inbound", bounce_category="rspamd")], 60, "rejected",
         "Rejected (rspamd)", True),
        ([event("greylisted", "inbound")], 60, "greylisted", "may try again", False),
        ([event("received", "inbound")], 60, "unknown", "no outcome is known", False),
        ([*received(), stored()], 60, "stored", "Stored in INBOX", True),
        ([*received(), stored(filter_outcome="spam", mailbox="Junk")], 60, "stored",
         "Stored in Junk as spam", True),
        ([*received(), event("duplicate", "mailbox", s=2, queue_id=HARAKA)], 60, "dropped",
         "duplicate", True),
        ([*received(), event("refused", "mailbox", s=2, queue_id=HARAKA,
         filter_outcome="over quota")], 60, "rejected", "Refused by WildDuck (over quota)", True),
        ([*received(), event("dropped", "mailbox", s=2, queue_id=HARAKA)], 60, "dropped",
         "Dropped by a filter", True),
    ],
)  # fmt: skip
def test_the_story_names_where_it_ends_and_why(events, after_s, state, text, is_over):
    trace = story(*events, after_s=after_s)

    assert trace.messages[0].recipients[0].ending.state == state
    assert text in trace.text
    assert trace.is_over is is_over


@pytest.mark.parametrize(
    ("capture", "after_s", "text", "level"),
    [
        (WATCHED, 30, "Handed to WildDuck; not stored yet", "none"),
        (WATCHED, 120, "Handed to WildDuck; no store seen within 60 s", "warning"),
        (
            Capture(("mailbox-01",), ("mailbox-02",)),
            120,
            "within 60 s by mailbox-01",
            "warning",
        ),
        (Capture((), ("mailbox-02",)), 120, "not captured on any node: mailbox-02", "none"),
        (Capture(None), 120, "is not known", "none"),
    ],
)
def test_what_wildduck_did_is_missed_only_where_it_is_captured(capture, after_s, text, level):
    trace = story(*received(), capture=capture, after_s=after_s)

    assert text in trace.text
    assert trace.level == level
    assert not trace.is_over


def test_the_next_attempt_is_expected_by_the_defaults_of_zonemta():
    ending = story(event("deferred", attempt=4), after_s=60).messages[0].recipients[0].ending

    assert ending.next_at == NOW + timedelta(minutes=25)


def test_what_a_stored_message_caused_branches_off_where_it_was_stored():
    trace = story(
        *received(),
        stored(),
        event("sent", s=2.5, queue_id="q2", parent_id=STORED, origin="forward"),
        event("delivered", s=4, queue_id="q2", parent_id=STORED),
        event("sent", s=3, queue_id="q3", parent_id=STORED, origin="autoreply"),
    )

    (message,) = trace.messages
    step = message.recipients[0].steps[-1]
    assert [(each.queue_id, each.cause) for each in step.branches] == [
        ("q2", "forward"),
        ("q3", "autoreply"),
    ]
    assert message.branches == ()
    assert trace.text == "Stored in INBOX"


def test_a_forward_by_an_address_hangs_on_its_transaction_and_a_notice_on_what_bounced():
    trace = story(
        *received(),
        event("sent", s=3, queue_id="q2", parent_id=HARAKA, origin="forward"),
        event("bounced", s=5, queue_id="q2", caused_queue_id="q3"),
        event("sent", s=6, queue_id="q3", from_address="<>", origin="dsn"),
    )

    (message,) = trace.messages
    (forward,) = message.branches
    assert forward.queue_id == "q2"
    (notice,) = forward.recipients[0].steps[-1].branches
    assert (notice.queue_id, notice.cause) == ("q3", "dsn")


def test_mail_between_servers_of_ours_is_one_story_and_ends_in_the_mailbox():
    ids = {"message_id": "<1@here.example>"}
    trace = story(
        event("sent", to_address="User@here.example", **ids),
        event("delivered", s=2, to_address="User@here.example", **ids),
        *received(s=1, **ids),
        stored(**ids),
    )

    (message,) = trace.messages
    (branch,) = message.recipients[0].steps[-1].branches
    assert branch.cause == "same Message-ID"
    assert (trace.text, trace.is_over) == ("Stored in INBOX", True)


def test_a_client_that_came_again_is_two_transactions_and_the_last_counts():
    ids = {"message_id": "<1@there.example>"}
    trace = story(
        event("greylisted", "inbound", queue_id="A.1", to_address="user@here.example", **ids),
        *received(s=300, **ids),
        stored(s=302),
        after_s=600,
    )

    assert [each.queue_id for each in trace.messages] == ["A.1", HARAKA]
    assert trace.text == "Stored in INBOX"


def test_wildducks_events_belong_to_the_recipient_of_the_account():
    other = {"queue_id": HARAKA, "to_address": "other@here.example", "account": "u2"}
    trace = story(
        *received(account="u1"),
        event("delivered", "inbound", s=1, **other),
        stored(to_address="main@here.example", account="u2"),
        after_s=600,
    )

    states = {each.address: each.ending.state for each in trace.messages[0].recipients}
    assert states == {"user@here.example": "handed_over", "other@here.example": "stored"}
    assert trace.text == "2 recipients: 1 handed over, 1 stored"


def test_a_loop_of_forwards_ends():
    loop = [
        event("sent", s=n, queue_id=f"q{n}", caused_queue_id=f"q{(n + 1) % 3}") for n in range(3)
    ]
    trace = story(*loop)

    assert len(trace.messages) == 1
    assert sum(1 for _ in walk(trace.messages)) == 3


def test_a_long_chain_and_a_wide_one_are_cut_and_it_is_written_so():
    chain = [event("sent", s=n, queue_id=f"q{n}", caused_queue_id=f"q{n + 1}") for n in range(20)]
    wide = [event("sent", s=n, queue_id=f"w{n}", message_id="<1@x>") for n in range(200)]

    deep, broad = story(*chain), story(*wide)

    assert len(list(walk(deep.messages))) == MAX_DEPTH
    assert len(broad.messages) == MAX_MESSAGES
    for trace in (deep, broad):
        assert any("are not shown" in limit for limit in trace.limits)


def test_of_many_recipients_those_that_failed_are_shown_and_all_are_counted():
    rows = [event("delivered", to_address=f"{n}@good.example") for n in range(2 * MAX_RECIPIENTS)]
    trace = story(*rows, event("bounced", to_address="last@bad.example"))

    (message,) = trace.messages
    assert len(message.recipients) == MAX_RECIPIENTS
    assert message.recipients[0].address == "last@bad.example"
    assert trace.text == "101 recipients: 100 delivered, 1 bounced"
    assert trace.level == "critical"


def test_events_without_ids_stand_for_themselves():
    trace = story(event("rejected", queue_id=None, to_address=None), event("sent", queue_id=None))

    assert len(trace.messages) == 2
