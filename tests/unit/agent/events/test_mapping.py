"""The recorded change streams, complete, compared with ZoneMTA's own log of the same run."""

import random
from collections import Counter
from datetime import UTC, datetime

import msgspec
import pytest
from bson import ObjectId

from agent.events.change_stream import database, mapping, zonemta
from agent.events.change_stream.tracker import Tracker
from agent.spool import HeldEvent, Notice
from agent.wire import event_id
from tests.agent_fixtures import read_events
from tests.recorded import log_entries, read_recording

RECORDINGS = ["changestream-plain.jsonl", "changestream-preimages.jsonl"]


def changes(name):
    """Return the recorded changes of the two collections the agent follows."""
    return [
        database.parse_change(raw)
        for raw in read_recording(name)
        if raw["ns"]["coll"] in (zonemta.QUEUE, zonemta.FILES)
    ]


def replay(spool, name, *, step=7):
    """Take a recording in batches and release everything; return the events."""
    tracker = Tracker(spool, node="mta-01")
    todo = changes(name)
    for start in range(0, len(todo), step):
        tracker.apply(todo[start : start + step], b"position", seen_ms=0)
    while tracker.release(caught_up=True):
        pass
    return read_events(spool)


@pytest.fixture
def events(spool):
    return replay(spool, RECORDINGS[0])


def of(events, event_type):
    return {(e["queue_id"], e["to_address"]): e for e in events if e["event_type"] == event_type}


def test_every_recipient_zonemta_queued_is_sent_once(events):
    logged = {
        (entry["id"], recipient)
        for entry in log_entries("QUEUED")
        for recipient in entry["to"].split(",")
    }

    sent = of(events, "sent")

    assert logged <= set(sent)
    assert len(sent) == sum(e["event_type"] == "sent" for e in events)
    assert all(e["attempt"] == 0 and e["certainty"] == "reported" for e in sent.values())


def test_sender_message_id_and_node_come_from_the_message(events):
    sent = of(events, "sent")

    for entry in log_entries("QUEUED"):
        for recipient in entry["to"].split(","):
            event = sent[entry["id"], recipient]
            assert event["from_address"] == (entry["from"] or "<>")
            assert event["message_id"] == entry["message-id"]
            assert event["mta_node"] == "mta-01"


def test_every_deferral_zonemta_logged_is_there_with_its_reply_and_count(events):
    deferred = {
        (e["queue_id"], e["to_address"], e["attempt"]): e
        for e in events
        if e["event_type"] == "deferred"
    }

    for entry in log_entries("DEFERRED"):
        event = deferred[entry["id"], entry["to"], entry["defcount"]]
        assert event["status_message"] == entry["response"]
        assert event["bounce_type"] == "soft"
        assert event["certainty"] == "reported"
        assert "bounce_category" not in event


def test_a_repeated_deferral_whose_text_did_not_change_keeps_its_text(events):
    repeated = [
        e
        for e in events
        if e["event_type"] == "deferred" and e["to_address"] == "defer-2@other.example"
    ]

    assert [e["attempt"] for e in repeated] == [1, 2, 3, 4]
    assert {e["status_message"] for e in repeated} == {
        "451 4.3.0 Temporary system problem, try again later"
    }


def test_a_deferral_without_a_reply_code_has_no_status_code(events):
    closed = of(events, "deferred")["1a1fd932802000a951", "drop-1@drop.example"]

    assert closed["status_message"] == "Connection closed unexpectedly"
    assert "status_code" not in closed


def test_a_refusal_that_made_a_notification_is_an_inferred_bounce_with_unknown_reply(events):
    notified = {(entry["id"], entry["seq"]) for entry in log_entries("QUEUE_BOUNCE")}
    bounced = {(e["queue_id"], e["queue_seq"]): e for e in events if e["event_type"] == "bounced"}

    assert notified <= set(bounced)
    for event in bounced.values():
        assert event["certainty"] == "inferred"
        assert not {"status_code", "status_message", "bounce_type", "mx_host"} & set(event)


def test_an_accepted_recipient_is_an_inferred_delivery(events):
    delivered = of(events, "delivered")

    for entry in log_entries("ACCEPTED"):
        event = delivered[entry["id"], entry["to"]]
        assert event["certainty"] == "inferred"
        assert not {"status_code", "delivery_time_ms", "sending_ip"} & set(event)


def test_a_delivery_after_a_deferral_is_the_second_attempt(events):
    assert of(events, "delivered")["1a1fd9324ad000a951", "once-1@once.example"]["attempt"] == 2


def test_a_message_deleted_over_the_api_is_dropped(events):
    (entry,) = log_entries("DELETED")

    (dropped,) = [e for e in events if e["event_type"] == "dropped"]

    assert (dropped["queue_id"], dropped["queue_seq"]) == (entry["id"], entry["seq"])
    assert dropped["certainty"] == "inferred"


def test_a_notification_is_mail_of_the_null_sender_in_the_zone_bounces(events):
    notification = of(events, "sent")["1a1fd930696000a951", "alice@corp.example"]

    assert notification["from_address"] == "<>"
    assert notification["zone"] == "bounces"


def test_the_size_is_body_and_headers_as_the_client_sent_them(events):
    # ZoneMTA's own figure, 782, counts the Received header it adds while sending.
    sent = of(events, "sent")["1a1fd92f960000a951", "ok-1@good.example"]

    assert 313 < sent["message_size_bytes"] < 782


def test_every_recipient_has_at_most_one_outcome(events):
    outcomes = Counter(
        (e["queue_id"], e["to_address"])
        for e in events
        if e["event_type"] in ("delivered", "bounced", "dropped")
    )

    assert set(outcomes.values()) == {1}


def test_with_pre_images_the_outcomes_are_the_same(make_spool, tmp_path):
    """The recordings begin at different moments; what both saw whole must agree."""
    plain, pre = (replay(_fresh(make_spool, name), name) for name in RECORDINGS)
    by_id = {e["event_id"]: e for e in plain}

    for event in pre:
        if event["event_type"] in ("sent", "deferred"):
            assert by_id[event["event_id"]] == event


def _fresh(make_spool, name):
    spool = make_spool()
    with spool.begin() as tx:
        tables = ("events", "held", "seen", "seen_recent", "documents", "messages", "notices")
        for table in tables:
            tx.execute(f"DELETE FROM {table}")
    spool.close()
    return make_spool()  # with nothing of it in memory


def test_how_the_stream_is_cut_into_batches_changes_nothing(make_spool):
    whole = replay(make_spool(), RECORDINGS[0], step=10_000)

    again = replay(_fresh(make_spool, ""), RECORDINGS[0], step=random.randint(1, 20))

    assert {e["event_id"] for e in again} == {e["event_id"] for e in whole}


def document(**changed):
    raw = {
        "id": "1a1fd92f960000a951",
        "seq": "001",
        "recipient": "To@Good.Example",
        "created": datetime(2026, 11, 21, 10, 7, tzinfo=UTC),
        "sendingZone": "default",
    }
    return zonemta.parse_queue_document(raw | changed)


def test_mail_delayed_on_purpose_is_not_deferred():
    delayed = document(_deferred={"first": 1.0, "count": 0, "response": "Deferred by router"})

    assert mapping.deferrals(delayed) == 0


def test_a_message_never_seen_leaves_its_fields_unknown():
    event = mapping.sent_event("mta-01", document(), zonemta.Message())

    assert event.from_address is None
    assert event.message_id is None
    assert event.message_size_bytes is None
    assert event.to_address == "To@Good.Example"


def test_a_locked_document_that_is_deleted_has_waited_until_its_lock():
    created = datetime(2026, 11, 21, 10, 7, tzinfo=UTC).timestamp() * 1000
    locked = document(locked=True, lockTime=created + 3170)

    assert mapping.inferred_outcome("n", locked, zonemta.Message(), at_ms=0).queue_time_ms == 3170


@pytest.mark.parametrize(
    ("response", "code"),
    [
        ("250 2.0.0 OK", 250),
        ("554-5.7.1 two lines", 554),
        ("421", 421),
        ("Connection closed unexpectedly", None),
        ("99 nonsense", None),
        ("6000 nonsense", None),
        ("", None),
        (None, None),
    ],
)
def test_a_reply_code_is_the_number_a_reply_begins_with(response, code):
    assert mapping.reply_code(response) == code


def notification(subject, **changed):
    headers = {"x-failed-recipients": "B@good.example", "in-reply-to": "<m@x>", "subject": subject}
    raw = {
        "id": "dsn",
        "interface": "bounce",
        "sessionId": "s1",
        "headers": [{"key": key, "line": f"{key}: {value}"} for key, value in headers.items()],
    }
    return zonemta.parse_message_data(raw | changed)


def test_a_notification_of_delay_explains_nothing():
    delay = notification("Delivery Status Notification (Delay: b@good.example)")

    assert mapping.bounce_notices(delay) == []


def test_mail_that_only_looks_like_a_notification_explains_nothing():
    forged = notification("Delivery Status Notification (Failure)", interface="feeder")

    assert mapping.bounce_notices(forged) == []


@pytest.mark.parametrize(
    ("message_id", "session_id", "explains"),
    [
        ("<m@x>", "s1", True),
        ("<m@x>", None, True),
        (None, "s1", True),
        ("<other@x>", "s1", False),
        ("<m@x>", "s2", False),
        (None, None, False),
    ],
)
def test_a_notification_explains_the_outcome_of_its_own_message_only(
    message_id, session_id, explains
):
    (notice,) = mapping.bounce_notices(notification("Delivery Status Notification (Failure)"))
    held = HeldEvent(b"", True, 0, "q", "b@good.example", message_id, session_id, b"")

    assert (mapping.find_bounce_notice(held, [notice]) is notice) is explains


def test_a_notification_about_another_recipient_explains_nothing():
    held = HeldEvent(b"", True, 0, "q", "c@good.example", "<m@x>", "s1", b"")

    assert mapping.find_bounce_notice(held, [Notice("b@good.example", "<m@x>", "s1")]) is None


def test_two_recipients_with_one_address_are_two_deliveries():
    one, two = (
        mapping.sent_event("n", document(seq=seq), zonemta.Message()) for seq in ("001", "002")
    )

    assert one.event_id != two.event_id
    assert one.event_id == event_id("zonemta", one.queue_id, "001", "sent")


def test_an_event_that_the_version_before_held_goes_out_under_its_id_of_today():
    event = mapping.deferred_event(
        "n", document(_deferred={"count": 2.0}), zonemta.Message(), at_ms=0
    )
    earlier = msgspec.structs.replace(event, event_id=event.earlier_id)

    assert event.earlier_id == event_id("zonemta", event.queue_id, event.to_address, "deferred", 2)
    assert mapping.identify(earlier) == event


def test_the_stream_reads_the_same_account_origin_and_cause_as_the_plugin(golden):
    cases = [
        (call["args"][0], case["events"][0])
        for case in golden("zonemta_log_entries.json")["cases"]
        for call in case["calls"]
        if "interface" in call["args"][0] and case["events"]
    ]
    names = ("account", "account_name", "origin", "parent_id")

    for delivery, event in cases:
        message = mapping.to_message(zonemta.parse_message_data(delivery))
        assert {name: getattr(message, name) for name in names} == {
            name: event.get(name) for name in names
        }

    assert {event["origin"] for _, event in cases} == {
        "smtp", "webmail", "api", "forward", "autoreply", "dsn",
    }  # fmt: skip


def test_mongodb_has_the_ids_of_users_and_causes_as_its_own():
    user, cause = ObjectId(), ObjectId()
    data = {"id": "1a", "interface": "forwarder", "userId": user, "parentId": cause}

    message = mapping.to_message(zonemta.parse_message_data(data))

    assert (message.account, message.parent_id) == (str(user), str(cause))


@pytest.mark.parametrize("odd", [False, 7, {"a": 1}, [], ""], ids=repr)
def test_what_is_no_id_names_no_account(odd):
    data = {"id": "1a", "interface": "forwarder", "userId": odd, "parentId": odd}

    message = mapping.to_message(zonemta.parse_message_data(data))

    assert (message.account, message.parent_id) == (None, None)
