"""Sameness of events (an id, a node and the hour around), and the reports of a shared queue."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction

from server.events.mapping import to_line
from server.rollups.levels import KEY, LEVELS
from server.rollups.mail import sql
from server.storage.events_fast_path import PLAN_AS_PROBES
from server.storage.events_writer import stage
from server.storage.same_event import (
    ANY_IS_REFUTED,
    REMOVE_GUESSED,
    REMOVE_GUESSES_OVERTAKEN,
    SET_APART_FROM_STORED,
    count_collisions,
)
from tests.factories import NOW, row, stored_events, write

# Staged rows end with their transaction.
pytestmark = pytest.mark.usefixtures("committing_database")

DELIVERY = {"queue_id": "1a1fd92f960000a951", "queue_seq": "001", "to_address": "to@good.example"}


def seen_by_stream(**fields):
    """Return an outcome that the change stream of the other node of a shared queue inferred."""
    stream = {"mta_node": "mta-02", "source": "change_stream", "certainty": "inferred"}
    return row(**DELIVERY | stream | fields)


def outcomes():
    events = stored_events()
    return sorted((each["mta_node"], each["event_type"], each["certainty"]) for each in events)


def counted(relation):
    with connection.cursor() as cursor:
        # A retraction leaves zeros behind.
        cursor.execute(f"SELECT {', '.join(KEY)}, events FROM {relation} AS it WHERE events <> 0")
        return sorted(cursor.fetchall())


def check_levels():
    for level in LEVELS:
        assert counted(level.table) == counted(f"({sql.aggregate(level, 'email_events')})")


def test_a_node_that_sends_an_id_first_does_not_suppress_the_event_of_another():
    stolen, later = uuid4(), timedelta(seconds=1)
    write(row(event_id=stolen, mta_node="mta-02", queue_id="forged"))

    assert write(row(event_id=stolen, **DELIVERY)) == 1
    assert write(row(event_id=stolen, occurred_at=NOW + later, mta_node="mta-03")) == 1

    assert [node for node, *_ in outcomes()] == ["mta-01", "mta-02", "mta-03"]
    assert count_collisions() == 2
    check_levels()


def test_an_event_that_was_set_apart_is_known_when_it_comes_again():
    stolen = uuid4()
    write(row(event_id=stolen, mta_node="mta-02"))
    mine = row(event_id=stolen)

    assert [write(mine), write(mine), write(mine, mine)] == [1, 0, 0]
    assert write(row(event_id=stolen, mta_node="mta-02")) == 0


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_one_batch_with_one_id_from_two_nodes_both_events_are_stored(order):
    stolen = uuid4()
    both = [row(event_id=stolen, mta_node=node) for node in ("mta-01", "mta-02")]

    assert write(*(both[place] for place in order)) == 2
    assert write(*both) == 0

    assert [node for node, *_ in outcomes()] == ["mta-01", "mta-02"]


def test_two_streams_of_one_queue_report_one_event():
    same = uuid4()
    ours = seen_by_stream(event_id=same, event_type="deferred", certainty="reported")

    assert write(ours) == 1
    assert write(ours | {"mta_node": "mta-01"}) == 0

    assert count_collisions() == 0


def test_two_streams_of_one_wildduck_report_one_event_and_nobody_else_does():
    same = uuid4()
    ours = row(
        event_id=same, event_type="stored", direction="mailbox", source="wildduck_stream",
        account="64b0c0ffee64b0c0ffee64b0", mta_node="mailbox-01",
    )  # fmt: skip

    assert write(ours, ours | {"mta_node": "mailbox-02"}) == 1
    assert write(ours | {"mta_node": "mailbox-03"}) == 0
    assert count_collisions() == 0
    assert write(ours | {"mta_node": "mta-01", "source": "gelf"}) == 1
    assert write(ours | {"mta_node": "mta-02", "account": "mallory"}) == 1


def test_a_queue_restored_from_a_backup_delivers_again_under_its_old_ids():
    first = row(**DELIVERY)
    again = first | {"occurred_at": NOW + timedelta(minutes=61)}
    write(first)

    assert [write(again), write(again), write(first)] == [1, 0, 0]
    check_levels()


def test_both_deliveries_are_stored_where_one_batch_has_them():
    first = row(**DELIVERY)
    again = first | {"occurred_at": NOW + timedelta(days=2)}

    assert write(first, again, first) == 2
    assert write(again, first) == 0
    check_levels()


def test_a_batch_over_days_does_not_take_a_second_delivery_for_the_first():
    first = row(**DELIVERY)
    write(first)

    again = first | {"occurred_at": NOW + timedelta(days=1)}
    assert write(row(occurred_at=NOW), again) == 2


@pytest.mark.parametrize("event_type", ["bounced", "dropped", "rejected"])
@pytest.mark.parametrize("guess_is_first", [True, False], ids=["guess first", "report first"])
def test_how_a_delivery_ended_is_not_guessed_otherwise_by_another_node(event_type, guess_is_first):
    guess, report = seen_by_stream(), row(event_type=event_type, **DELIVERY)

    for each in (guess, report) if guess_is_first else (report, guess):
        write(each)
    write(guess)

    assert outcomes() == [("mta-01", event_type, "reported")]
    check_levels()


def test_what_a_plugin_of_the_first_version_reported_is_not_guessed_again_under_an_id_of_today():
    write(row(**DELIVERY))

    assert write(seen_by_stream()) == 0


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_nor_is_it_in_one_batch(order):
    both = [seen_by_stream(), row(event_type="bounced", **DELIVERY)]

    write(*(both[place] for place in order))

    assert outcomes() == [("mta-01", "bounced", "reported")]


def test_the_node_that_delivered_says_more_than_the_one_that_saw_it_go():
    guess = seen_by_stream()
    write(guess)

    assert write(row(event_id=guess["event_id"], delivery_time_ms=70, **DELIVERY)) == 1

    assert outcomes() == [("mta-01", "delivered", "reported")]
    check_levels()


def test_a_correction_of_what_another_node_inferred_works():
    guess = seen_by_stream()
    write(guess)

    write(row(event_type="bounced", replaces=guess["event_id"], **DELIVERY))

    assert outcomes() == [("mta-01", "bounced", "reported")]
    check_levels()


def test_a_deletion_reported_without_a_recipient_leaves_the_one_that_has_it():
    deleted = seen_by_stream(event_type="dropped")
    write(deleted)

    unnamed = row(**DELIVERY | {"to_address": None}, event_type="dropped")
    assert write(unnamed | {"event_id": deleted["event_id"]}) == 0

    assert outcomes() == [("mta-02", "dropped", "inferred")]


@pytest.mark.parametrize(
    "other",
    [{"queue_seq": "002"}, {"queue_id": "2b"}, {"occurred_at": NOW + timedelta(minutes=61)}],
    ids=["recipient", "message", "time"],
)
def test_what_is_inferred_of_another_delivery_stays(other):
    write(seen_by_stream())

    write(row(**DELIVERY | other, event_type="bounced"))

    assert len(outcomes()) == 2


def test_a_node_corrects_its_own_guess_by_its_id_alone():
    write(seen_by_stream(mta_node="mta-01"))

    write(row(event_type="bounced", **DELIVERY))

    assert len(outcomes()) == 2


@pytest.mark.parametrize(
    "statement",
    [ANY_IS_REFUTED, REMOVE_GUESSED, REMOVE_GUESSES_OVERTAKEN, SET_APART_FROM_STORED],
    ids=["any is refuted", "guessed", "overtaken", "set apart"],
)
@pytest.mark.parametrize("known", [1, 3000])
def test_what_is_stored_of_a_delivery_is_found_by_an_id(known, statement):
    # By time instead it would read an hour of events for each.
    write(*(seen_by_stream(queue_id=f"{n:x}") for n in range(known)))

    with transaction.atomic(), connection.cursor() as cursor:
        span = stage(cursor, [to_line(row(queue_id=f"{n:x}", queue_seq="001")) for n in range(500)])
        cursor.execute(PLAN_AS_PROBES)
        cursor.execute(f"EXPLAIN (COSTS OFF) {statement}", span)
        plan = "\n".join(each[0] for each in cursor.fetchall())

    assert "email_events_by_queue_id" in plan or "email_events_once" in plan
    assert "email_events_time" not in plan
