"""Received, missing and dropped numbers, from the ingest endpoint to the answer."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from server.ingest import writer
from server.ingest.inbox import EVENTS, Entry
from server.ledger import folding, snapshots, store
from server.ledger.merge import NumberedBatch, merge_batches
from server.ledger.models import Epoch, Snapshot
from server.nodes.models import ApiKey
from tests.factories import stored_events

pytestmark = pytest.mark.usefixtures("committing_database")


@pytest.fixture
def send(post, event):
    """Send events with these numbers (their count from `first_seq` on) and store them."""

    def send_batch(first_seq: int, count: int = 1, *, bad: int = 0, **envelope):
        events = [event() for _ in range(count)] + [{"event_id": "x"}] * bad
        body = {"epoch": "e-1", "first_seq": first_seq, "events": events, **envelope}
        answer = post("events/ingest", body)
        writer.drain_events()
        return answer

    return send_batch


@pytest.fixture
def epoch(admin_client: Client):
    """Read the one epoch there is."""

    def read(**query):
        (only,) = admin_client.get("/api/v1/completeness", query).json()["epochs"]
        return only

    return read


def test_numbers_without_a_gap_are_complete(send, epoch):
    send(1, 5)
    send(6, 5)

    answer = epoch()

    assert answer["complete"]
    assert (answer["node"], answer["first_seq"], answer["last_seq"]) == ("mta-01", 1, 10)
    assert answer["missing_ranges"] == []


def test_a_gap_is_named_and_closes_when_its_events_arrive_late(send, epoch):
    send(1, 5)
    send(10, 2)

    gap = epoch()
    send(6, 4)

    assert (gap["complete"], gap["missing_count"], gap["missing_ranges"]) == (False, 4, [[6, 9]])
    assert epoch()["complete"]


def test_what_the_agent_dropped_is_an_explained_gap(send, epoch):
    send(1, 2)
    send(9, 1, dropped=[[3, 6]])

    answer = epoch()

    assert (answer["dropped_count"], answer["dropped_ranges"]) == (4, [[3, 6]])
    assert answer["missing_ranges"] == [[7, 8]]


def test_what_was_dropped_and_came_all_the_same_is_received(send, epoch):
    send(1, 1)
    send(4, 1, dropped=[[2, 3]])
    send(2, 2)

    assert (epoch()["complete"], epoch()["dropped_count"]) == (True, 0)


def test_refused_events_have_arrived_and_are_not_complete(send, epoch):
    send(1, 2, bad=2)
    assert send(5, 0, bad=3).status_code == 422

    answer = epoch()

    assert (answer["complete"], answer["last_seq"], answer["refused_count"]) == (False, 7, 5)
    assert (answer["missing_count"], answer["refused_ranges"]) == (0, [[3, 7]])


def test_a_refused_number_that_is_accepted_later_is_refused_no_more(send, epoch):
    send(1, 2, bad=2)
    send(3, 1)

    answer = epoch()
    send(4, 1)

    assert (answer["complete"], answer["refused_ranges"]) == (False, [[4, 4]])
    assert (epoch()["complete"], epoch()["refused_count"]) == (True, 0)


def test_an_accepted_number_that_comes_again_and_is_refused_stays_accepted(send, epoch):
    send(1, 4)
    send(1, 2, bad=2)

    assert (epoch()["complete"], epoch()["refused_count"]) == (True, 0)


def test_refused_numbers_that_the_agent_calls_dropped_are_refused(send, epoch):
    send(1, 0, bad=3)
    send(4, 1, dropped=[[1, 3]])

    assert (epoch()["refused_ranges"], epoch()["dropped_count"]) == ([[1, 3]], 0)


def test_refusals_in_very_many_places_are_counted_and_bounded(post, event, epoch):
    events = [event() if place % 2 else {"event_id": "x"} for place in range(500)]
    post("events/ingest", {"epoch": "e-1", "first_seq": 1, "events": events})
    writer.drain_events()

    answer = epoch()

    assert (answer["complete"], answer["refused_count"]) == (False, 250)
    assert answer["refused_ranges"][:2] == [[1, 1], [3, 3]]


def test_the_numbers_of_a_key_without_a_node_are_of_the_node_of_its_events(post, event, epoch):
    key = ApiKey.issue(name="any node", scope=ApiKey.Scope.AGENT)[1]
    batch = {"epoch": "e-1", "first_seq": 1, "events": [event(mta_node="mta-07")]}

    post("events/ingest", batch, key=key)
    writer.drain_events()

    assert epoch()["node"] == "mta-07"


def test_a_batch_that_comes_again_is_counted_as_repeated_not_received_twice(send, epoch):
    send(1, 5)
    send(4, 4)

    answer = epoch()

    assert (answer["repeated_count"], answer["last_seq"], answer["complete"]) == (2, 7, True)


def test_refusals_of_a_batch_that_comes_again_are_counted_once(send, epoch):
    send(1, 2, bad=2)
    send(1, 2, bad=2)

    assert epoch()["refused_count"] == 2


def test_a_dead_letter_has_arrived(send, epoch, event, post):
    post("events/ingest", {"epoch": "e-1", "first_seq": 1, "events": [event(), event()]})
    (waiting,) = EVENTS.read("test", count=1, block_ms=None)
    entry = waiting.entry
    good, bad = entry.payload.split(b"\n")
    EVENTS.acknowledge([waiting])
    payload = good + b"\n" + bad + b"\ttoo many fields"
    EVENTS.append(Entry(entry.node, entry.received_at, 2, payload, entry.epoch, entry.first_seq))

    writer.drain_events()

    assert len(stored_events()) == 1
    assert (epoch()["last_seq"], epoch()["complete"]) == (2, True)


@pytest.mark.parametrize(
    "envelope",
    [{"first_seq": -1}, {"epoch": ""}, {"dropped": [[5, 3]]}, {"dropped": [[1]]}, {"epoch": 5}],
)
def test_numbers_that_make_no_sense_are_400(send, event, envelope):
    assert send(envelope.pop("first_seq", 1), **envelope).status_code == 400


def test_a_numbered_batch_needs_its_first_number(post, event):
    assert post("events/ingest", {"epoch": "e-1", "events": [event()]}).status_code == 400


def test_another_node_is_not_in_the_answer(send, admin_client: Client):
    send(1, 1)

    assert admin_client.get("/api/v1/completeness", {"node": "mta-02"}).json() == {
        "complete": True,
        "epochs": [],
    }


def test_hours_out_of_range_are_400(admin_client: Client):
    assert admin_client.get("/api/v1/completeness", {"hours": 0}).status_code == 400


def test_epochs_of_which_nothing_comes_any_more_are_deleted_with_their_events(settings):
    now = datetime(2026, 11, 21, 10, 7, tzinfo=UTC)
    for days, name in ((1, "new"), (settings.EVENTS_RETENTION_DAYS + 1, "old")):
        at = now - timedelta(days=days)
        batch = NumberedBatch(
            node="mta-01", epoch=name, first_seq=1, count=1, refused=0, received_at=at
        )
        store.record(merge_batches([batch]))

    assert store.delete_old(now) == 1
    assert Epoch.objects.get().epoch == "new"


def numbers(first, last, *, ago_hours, epoch="e-1", refused=0, dropped=()):
    return NumberedBatch(
        node="mta-01", epoch=epoch, first_seq=first, count=last - first + 1, refused=refused,
        received_at=timezone.now() - timedelta(hours=ago_hours), dropped=tuple(dropped),
    )  # fmt: skip


def test_counts_are_of_the_range_and_not_of_the_whole_life_of_a_spool(epoch):
    store.record(
        merge_batches([numbers(1, 10, ago_hours=50), numbers(21, 30, ago_hours=49)])
    )  # 10 are missing
    store.record(merge_batches([numbers(36, 40, ago_hours=48, refused=2, dropped=[(31, 35)])]))
    snapshots.renew(timezone.now() - timedelta(hours=30))
    store.record(merge_batches([numbers(44, 50, ago_hours=3, dropped=[(41, 41)])]))

    day, week = epoch(hours=24), epoch(hours=168)

    assert (day["missing_ranges"], day["dropped_ranges"]) == ([[42, 43]], [[41, 41]])
    assert (day["missing_count"], day["dropped_count"], day["refused_count"]) == (2, 1, 0)
    assert (week["missing_count"], week["dropped_count"], week["refused_count"]) == (12, 6, 2)
    assert (day["first_seq"], day["last_seq"]) == (week["first_seq"], week["last_seq"]) == (1, 50)
    assert day["counted_since"] < week["last_received_at"]


def test_what_arrives_late_completes_the_range_it_was_missing_from(epoch):
    store.record(merge_batches([numbers(1, 10, ago_hours=50)]))
    snapshots.renew(timezone.now() - timedelta(hours=30))
    store.record(merge_batches([numbers(16, 20, ago_hours=3)]))
    assert epoch(hours=24)["missing_count"] == 5

    store.record(merge_batches([numbers(11, 15, ago_hours=1)]))

    assert epoch(hours=24)["complete"]


def test_a_range_in_which_only_old_numbers_came_lacks_nothing(epoch):
    store.record(merge_batches([numbers(1, 10, ago_hours=50), numbers(14, 20, ago_hours=49)]))
    snapshots.renew(timezone.now() - timedelta(hours=30))
    store.record(merge_batches([numbers(1, 10, ago_hours=1)]))

    day = epoch(hours=24)

    assert (day["complete"], day["repeated_count"], day["last_seq"]) == (True, 10, 20)


def test_without_a_snapshot_the_counts_are_of_the_whole_life(epoch):
    store.record(merge_batches([numbers(1, 10, ago_hours=50), numbers(14, 20, ago_hours=1)]))

    assert epoch(hours=24)["missing_count"] == 3


def test_snapshots_are_taken_of_epochs_that_grew_and_of_old_days_one_is_kept(settings):
    now = datetime(2026, 11, 21, 10, 7, tzinfo=UTC)

    def taken():
        return sorted((now - at) // timedelta(hours=1) for at in times())

    def times():
        return Snapshot.objects.values_list("at", flat=True)

    hours = [settings.EVENTS_RETENTION_DAYS * 24 + 1, 300, 299, 298, 270, 30, 3]
    for hour in hours:
        at = now - timedelta(hours=hour)
        batch = NumberedBatch(
            node="mta-01", epoch="e-1", first_seq=hour, count=1, refused=0, received_at=at
        )
        store.record(merge_batches([batch]))
        snapshots.renew(at)
        snapshots.renew(at)  # twice is once

    snapshots.renew(now)

    # 300 was of one day with 299. At 0, as what was received before 3 may be stored only now.
    assert taken() == [0, 3, 30, 270, 298, 299]


@pytest.fixture
def read(admin_client):
    def read_all():
        answer = admin_client.get("/api/v1/completeness", {"hours": 24}).json()
        return {epoch["epoch"]: epoch for epoch in answer["epochs"]}

    return read_all


def numbered(first_seq, *, epoch="e-1", count=1, dropped=()):
    now = timezone.now()
    return NumberedBatch(
        node="mta-01", epoch=epoch, first_seq=first_seq, count=count, refused=0, received_at=now,
        dropped=tuple(dropped),
    )  # fmt: skip


def test_old_gaps_of_an_epoch_are_kept_as_a_count(read):
    count = 3 * folding.MAX_RANGES
    store.record(
        merge_batches([numbered(2 * n) for n in range(count)])
    )  # each second number is missing
    store.record(merge_batches([numbered(2 * count, dropped=[(2 * count + 2, 2 * count + 4)])]))

    (epoch,) = read().values()

    assert (epoch["missing_count"], epoch["dropped_count"]) == (count + 1, 3)
    assert epoch["last_seq"] == 2 * count + 4
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM (SELECT unnest(received) FROM ledger_epoch) AS ranges")
        assert cursor.fetchone()[0] <= folding.MAX_RANGES


def test_ranges_that_an_agent_dropped_are_kept_as_a_count_too(read):
    for start in range(0, 9_000, 1_000):
        dropped = [(4 * n, 4 * n) for n in range(start + 1, start + 1_001)]
        store.record(merge_batches([numbered(4 * start, dropped=dropped)]))

    (epoch,) = read().values()

    # Of each four numbers three are missing; each next batch began with a dropped one.
    assert epoch["dropped_count"] == 9_000 - 8
    assert epoch["missing_count"] == 3 * 9_000


def test_older_epochs_of_a_node_are_added_up(read):
    for n in range(folding.MAX_EPOCHS + 20):
        store.record(merge_batches([numbered(1, epoch=f"e-{n}"), numbered(4, epoch=f"e-{n}")]))

    epochs = read()

    assert len(epochs) == folding.MAX_EPOCHS + 1
    assert epochs[folding.OLDER]["missing_count"] == 2 * 20
    assert sum(epoch["missing_count"] for epoch in epochs.values()) == 2 * (folding.MAX_EPOCHS + 20)


def test_a_page_of_a_node_with_many_epochs_and_gaps_stays_small(admin_client, node):
    for n in range(folding.MAX_EPOCHS + 20):
        store.record(merge_batches([numbered(2 * k, epoch=f"e-{n}") for k in range(60)]))

    page = admin_client.get("/nodes/named/mta-01/")

    assert page.status_code == 200
    assert len(page.content) < 300_000
