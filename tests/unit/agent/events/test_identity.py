"""One event from two sources, under the ids of this version and of the one before; and twice."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from agent import clock, wire
from agent.events.change_stream.tracker import Tracker
from agent.events.change_stream.zonemta import FILES, QUEUE, Change
from agent.spool import Accepted
from tests.agent_fixtures import read_events, take_reported

ID = "1a1fd92f960000a951"
AT = datetime(2026, 11, 21, 10, 7, tzinfo=UTC)
ADDRESS = "fwd@relay.example"
EARLIER, TODAY = "earlier", "today"


@pytest.fixture
def now(monkeypatch):
    """The agent's clock, held by the test."""
    held = {"at": AT}
    monkeypatch.setattr(clock, "now_ms", lambda: clock.to_ms(held["at"]))
    return held


@pytest.fixture
def tracker(spool, now):
    return Tracker(spool, node="mta-01")


def document(seq="001", recipient=ADDRESS, **fields):
    return {
        "id": ID,
        "seq": seq,
        "recipient": recipient,
        "created": AT,
        "sendingZone": "x",
    } | fields


def changes(*deliveries, at=AT, **locked):
    """Return the changes of deliveries that are queued and leave the queue."""
    made = []
    for number, each in enumerate(deliveries):
        name, at_ms = f"{each['seq']}-{at}-{number}", clock.to_ms(at)
        made += [
            Change(QUEUE, "insert", name, at_ms, each),
            Change(QUEUE, "update", name, at_ms, updated=locked or {"locked": True}),
            Change(QUEUE, "delete", name, at_ms),
        ]
    return made


def follow(tracker, *made):
    tracker.apply(made, b"position", seen_ms=0)


def release(tracker):
    while tracker.release(caught_up=True):
        pass


def report(event_type, seq="001", *, at=AT, address=ADDRESS, ids=TODAY, n=0, **fields):
    """Return an event of ZoneMTA's plugin; `ids`: of which version."""
    delivery = seq if ids == TODAY else address
    event = {
        "event_id": str(wire.event_id("zonemta", ID, delivery, event_type, n)),
        "occurred_at": at.isoformat(),
        "event_type": event_type,
        "direction": "outbound",
        "queue_id": ID,
        "queue_seq": None if (ids, event_type) == (EARLIER, "sent") else seq,
        "to_address": address,
        "attempt": n,
        "source": "zonemta_plugin",
        "certainty": "reported",
    } | fields
    known = {name: value for name, value in event.items() if value is not None}
    return Accepted.read(json.dumps(known).encode())


def stored(spool):
    return sorted(
        (e.get("queue_seq", ""), e["event_type"], e["source"]) for e in read_events(spool)
    )


def counter(spool, name):
    with spool.read() as tx:
        return tx.counter(name)


def test_both_deliveries_to_one_address_are_there_whichever_source_reports_them(spool, tracker):
    follow(tracker, *changes(document("001"), document("002", "Fwd@Relay.Example")))
    take_reported(spool, [report("sent", "001"), report("delivered", "001")])
    release(tracker)

    assert stored(spool) == [
        ("001", "delivered", "zonemta_plugin"),
        ("001", "sent", "zonemta_plugin"),
        ("002", "delivered", "change_stream"),
        ("002", "sent", "change_stream"),
    ]


def test_of_two_deliveries_to_one_address_the_late_report_corrects_its_own(spool, tracker):
    follow(tracker, *changes(document("001"), document("002")))
    release(tracker)

    take_reported(spool, [report("bounced", "002")])

    *_, correction = read_events(spool)
    assert correction["replaces"] == str(wire.event_id("zonemta", ID, "002", "delivered"))


@pytest.mark.parametrize("ids", [EARLIER, TODAY])
@pytest.mark.parametrize("event_type", ["sent", "deferred", "delivered"])
def test_an_event_of_a_plugin_of_either_version_is_not_repeated_by_the_stream(
    spool, tracker, event_type, ids
):
    is_deferred = event_type == "deferred"
    deferred = {"count": 1, "last": clock.to_ms(AT), "response": "451 later"}
    queued, *left = changes(document(_deferred=deferred) if is_deferred else document())
    reported = report(event_type, ids=ids, n=int(is_deferred))
    take_reported(spool, [report("sent", ids=ids), reported])

    follow(tracker, queued, *(left if event_type == "delivered" else ()))
    release(tracker)

    assert {source for _, _, source in stored(spool)} == {"zonemta_plugin"}


@pytest.mark.parametrize("ids", [EARLIER, TODAY])
@pytest.mark.parametrize("event_type", ["sent", "deferred"])
def test_an_event_of_the_stream_is_not_repeated_by_a_plugin_of_either_version(
    spool, tracker, event_type, ids
):
    deferred = {"count": 1, "last": clock.to_ms(AT), "response": "451 later"}
    follow(tracker, *changes(document(_deferred=deferred))[:1])
    release(tracker)

    take_reported(spool, [report(event_type, ids=ids, n=int(event_type == "deferred"))])

    assert {source for _, _, source in stored(spool)} == {"change_stream"}
    assert counter(spool, "receiver.repeated") == 1


def test_a_plugin_of_the_first_version_corrects_what_the_stream_inferred(spool, tracker):
    follow(tracker, *changes(document()))
    release(tracker)

    take_reported(spool, [report("bounced", ids=EARLIER)])

    *_, correction = read_events(spool)
    assert correction["replaces"] == str(wire.event_id("zonemta", ID, "001", "delivered"))


def test_what_an_agent_of_the_first_version_held_is_not_reported_twice(spool, tracker):
    follow(tracker, *changes(document()))
    with spool.begin() as tx:
        for event_type in ("sent", "delivered"):
            today, earlier = (
                wire.event_id("zonemta", ID, delivery, event_type) for delivery in ("001", ADDRESS)
            )
            body = f"replace(body, '{today}', '{earlier}')"
            tx.execute(
                f"UPDATE held SET event_id = ?, body = CAST({body} AS BLOB) WHERE event_id = ?",
                (earlier.bytes, today.bytes),
            )
    take_reported(spool, [report("delivered")])
    release(tracker)

    assert stored(spool) == [
        ("001", "delivered", "zonemta_plugin"),
        ("001", "sent", "change_stream"),
    ]


def test_what_an_agent_of_the_first_version_took_is_not_taken_again(spool, tracker):
    take_reported(spool, [report("sent", ids=EARLIER), report("delivered", None, ids=EARLIER)])

    follow(tracker, *changes(document()))
    release(tracker)

    assert len(read_events(spool)) == 2


@pytest.mark.parametrize("minutes", [0, 59])
def test_a_repeated_report_of_a_delivery_is_taken_once(spool, now, minutes):
    take_reported(spool, [report("delivered")])
    now["at"] += timedelta(minutes=minutes)

    take_reported(spool, [report("delivered"), report("delivered", at=now["at"])])

    assert len(read_events(spool)) == 1


def test_a_queue_restored_from_a_backup_delivers_again_and_is_counted(spool, tracker, now, caplog):
    take_reported(spool, [report("sent"), report("delivered")])
    now["at"] += timedelta(hours=5)
    follow(tracker, *changes(document(), at=now["at"]))

    for _ in range(2):  # the second is a repeated report
        take_reported(spool, [report("delivered", at=now["at"])])
    release(tracker)

    assert stored(spool) == [
        ("001", "delivered", "zonemta_plugin"),
        ("001", "delivered", "zonemta_plugin"),
        ("001", "sent", "zonemta_plugin"),
    ]
    assert counter(spool, "events.redelivered") == 1
    assert "restored from a backup" in caplog.text


def test_the_stream_alone_sees_a_restored_queue_deliver_again(spool, tracker, now):
    follow(tracker, *changes(document()))
    release(tracker)
    now["at"] += timedelta(hours=5)

    follow(tracker, *changes(document(), at=now["at"]))
    release(tracker)

    assert [event_type for _, event_type, _ in stored(spool)] == ["delivered", "delivered", "sent"]
    assert counter(spool, "events.redelivered") == 1


def test_a_clock_of_mongodb_that_is_hours_ahead_makes_no_second_delivery(spool, tracker):
    take_reported(spool, [report("sent"), report("delivered")])

    follow(tracker, *changes(document(), at=AT + timedelta(hours=3)))
    release(tracker)

    assert len(read_events(spool)) == 2


def test_a_restored_queue_is_told_apart_after_a_restart_of_the_agent_too(make_spool, now):
    spool = make_spool()
    take_reported(spool, [report("delivered")])
    spool.close()
    now["at"] += timedelta(hours=5)

    take_reported(make_spool(), [report("delivered", at=now["at"])] * 2)

    assert len(read_events(make_spool())) == 2


def unnamed(seq="001", **fields):
    return report("dropped", seq, address=None, **fields)


@pytest.fixture
def patient(make_spool, now):
    """A tracker whose events wait ten seconds for the plugin, and a clock past them."""
    spool = make_spool(grace_s=10)
    return spool, Tracker(spool, node="mta-01")


@pytest.mark.parametrize("stream_is_first", [True, False])
@pytest.mark.parametrize("locked", [True, False])
def test_a_deletion_that_the_plugin_cannot_name_is_reported_once_with_its_recipient(
    patient, now, stream_is_first, locked
):
    spool, tracker = patient
    message = {"id": ID, "from": "alice@corp.example", "messageId": "<m@x>"}
    follow(tracker, Change(FILES, "update", "f", 0, updated={"metadata.data": message}))
    deleted = changes(document(), document("002"), locked=locked)
    steps = [
        lambda: follow(tracker, *deleted),
        lambda: take_reported(spool, [unnamed("001"), unnamed("002"), unnamed("001")]),
    ]
    for step in steps if stream_is_first else reversed(steps):
        step()

    for _ in range(30):
        now["at"] += timedelta(seconds=1)
        release(tracker)
    take_reported(spool, [unnamed("001")])

    dropped = [each for each in read_events(spool) if each["event_type"] != "sent"]
    assert [(e["queue_seq"], e["event_type"], e["to_address"]) for e in dropped] == [
        ("001", "dropped", ADDRESS),
        ("002", "dropped", ADDRESS),
    ]
    assert {e["certainty"] for e in dropped} == {"reported"}
    assert {(e["from_address"], e["message_id"]) for e in dropped} == {
        ("alice@corp.example", "<m@x>")
    }


def unnamed_message():
    """A deletion of all that is left of a message: ZoneMTA found its queue without its content."""
    event = json.loads(unnamed().body) | {"event_id": str(uuid4())}
    del event["queue_seq"]
    return Accepted.read(json.dumps(event).encode())


@pytest.mark.parametrize("stream_is_first", [True, False])
@pytest.mark.parametrize("locked", [True, False])
def test_a_deletion_without_a_sequence_is_reported_once_of_each_recipient(
    patient, now, stream_is_first, locked
):
    spool, tracker = patient
    deleted = changes(document(), document("002", "second@relay.example"), locked=locked)
    report_it = unnamed_message()
    steps = [
        lambda: follow(tracker, *deleted),
        lambda: take_reported(spool, [report_it, report_it]),
    ]
    for step in steps if stream_is_first else reversed(steps):
        step()
    for _ in range(30):
        now["at"] += timedelta(seconds=1)
        release(tracker)

    outcomes = [event for event in read_events(spool) if event["event_type"] != "sent"]

    assert sorted((e["queue_seq"], e["event_type"], e["to_address"]) for e in outcomes) == [
        ("001", "dropped", ADDRESS),
        ("002", "dropped", "second@relay.example"),
    ]
    assert {e["source"] for e in outcomes} == {"zonemta_plugin"}
    assert len({e["event_id"] for e in outcomes}) == 2


def test_a_deletion_without_a_sequence_of_which_the_stream_knows_nothing_is_one_row(patient, now):
    spool, tracker = patient
    take_reported(spool, [unnamed_message()])

    now["at"] += timedelta(seconds=30)
    release(tracker)

    assert [event["event_type"] for event in read_events(spool)] == ["dropped"]


def test_a_deletion_that_the_stream_does_not_bring_is_reported_without_its_recipient(patient, now):
    spool, tracker = patient
    take_reported(spool, [unnamed()])
    assert read_events(spool) == []

    now["at"] += timedelta(seconds=20)
    release(tracker)

    assert stored(spool) == [("001", "dropped", "zonemta_plugin")]


def test_a_deletion_that_waits_for_its_name_outlives_the_agent(make_spool, patient, now):
    spool, _ = patient
    take_reported(spool, [unnamed()])
    spool.close()

    assert stored(make_spool()) == [("001", "dropped", "zonemta_plugin")]


def test_without_a_stream_a_deletion_waits_for_nobody(spool):
    take_reported(spool, [unnamed()])

    assert stored(spool) == [("001", "dropped", "zonemta_plugin")]


def test_times_of_changes_are_of_mongodbs_clock_and_become_those_of_this_nodes(tracker, spool):
    tracker.database_ahead_ms = 300_000

    follow(tracker, *changes(document()))
    release(tracker)

    sent, delivered = read_events(spool)
    # When it was queued ZoneMTA stamped, on this node.
    assert datetime.fromisoformat(sent["occurred_at"]) == AT
    assert AT - datetime.fromisoformat(delivered["occurred_at"]) == timedelta(minutes=5)
