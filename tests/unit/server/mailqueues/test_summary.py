"""Sums over several mail queues: each is counted once, and what is not known is not zero."""

from datetime import timedelta

import msgspec

from server.mailqueues import summary
from server.mailqueues.accounting import Reading, count_once
from server.mailqueues.summary import AGES_S
from server.metrics.mail_queue import (
    MailQueue,
    OtherDestinations,
    QueueAge,
    QueueDestination,
    QueueReason,
    ZoneQueue,
)
from server.rollups.samples.queries import Bucket
from tests.factories import NOW, RS0, mail_queue

RS1 = "rs1/zone-mta@h"
STALE_AFTER = timedelta(seconds=90)


def read(node, of, *, seconds_ago=5, detail_seconds_ago=None):
    at = NOW - timedelta(seconds=seconds_ago)
    detail_at = NOW - timedelta(seconds=detail_seconds_ago or seconds_ago)
    return Reading(node, at, of, STALE_AFTER, (detail_at, of) if of.source == "mongodb" else None)


def queue(database=RS0, **fields):
    return msgspec.structs.replace(mail_queue("mta-01", database, mta_01=1), **fields)


def counts(*first):
    return [*first, *[0] * (len(AGES_S) - len(first))]


def destination(domain, *first, replies=()):
    return QueueDestination(domain, counts(*first), list(replies))


def bucket(node, database, *, place=0, samples=1, oldest_s=None, **means):
    readings = {name: means.get(name, 0.0) for name in summary.MEANS}
    highest = {"waiting_count_max": means.get("waiting_count", 0.0), "oldest_age_s_max": oldest_s}
    return Bucket(node, (database,), place, samples, readings | highest)


def test_without_any_queue_every_total_is_unknown():
    assert set(summary.sum_totals([], NOW).values()) == {None}


def test_the_totals_of_two_queues_add_up_and_the_stale_part_is_counted():
    fresh = msgspec.structs.replace(mail_queue("mta-01", mta_01=5, gone=2, no=3), locked_count=4)
    stale = mail_queue("mta-02", RS1, mta_02=7)
    databases = count_once([read("mta-01", fresh), read("mta-02", stale, seconds_ago=600)], NOW)

    assert summary.sum_totals(databases, NOW) == {
        "waiting_count": 17,
        "stale_count": 7,
        "active_count": 17,
        "deferred_count": 0,
        "locked_count": 4,
        "unassigned_count": 3,
        "stranded_count": 2,
    }


def test_from_the_api_it_is_not_known_what_is_locked_unassigned_or_stranded():
    of = MailQueue(source="api", zones=[], active_count=2, deferred_count=1)

    totals = summary.sum_totals(count_once([read("mta-01", of)], NOW), NOW)

    assert totals["waiting_count"] == 3
    assert totals["locked_count"] is totals["unassigned_count"] is totals["stranded_count"] is None


def test_a_zone_adds_up_over_databases_largest_first_with_the_time_of_each_reading():
    one = queue(zones=[ZoneQueue("default", 1, 2), ZoneQueue("bulk", 9, 0)])
    other = queue(RS1, zones=[ZoneQueue("default", 10, 0)])
    databases = count_once([read("mta-01", one), read("mta-02", other, seconds_ago=600)], NOW)

    zones = summary.sum_zones(databases, NOW)

    assert [zone for zone, _ in zones] == [ZoneQueue("default", 11, 2), ZoneQueue("bulk", 9, 0)]
    assert [[each.is_stale for each in times] for _, times in zones] == [[False, True], [False]]


def test_a_detail_grows_stale_by_its_own_time_and_only_databases_with_the_part_are_named():
    aged = queue(ages=[QueueAge(60, 1)])
    late = read("mta-01", aged, detail_seconds_ago=600)
    without = read("mta-02", queue(RS1))

    queues, times = summary.find_details(
        count_once([late, without], NOW), NOW, summary.has_known_brackets
    )

    assert queues == [aged]
    assert [(NOW - each.at, each.is_stale) for each in times] == [(timedelta(seconds=600), True)]


def test_ages_of_known_brackets_add_up_and_others_are_not_known():
    one = queue(ages=[QueueAge(60, 1), QueueAge(None, 2)])
    other = queue(ages=[QueueAge(60, 5)])

    assert summary.sum_ages([one, other, queue()]) == {60: 6, None: 2}
    assert summary.has_known_brackets(one)
    assert not summary.has_known_brackets(queue(ages=[QueueAge(61, 1)]))
    assert not summary.has_known_brackets(queue())


def test_replies_that_differ_only_by_ids_are_one_and_rare_ones_are_the_rest():
    one = queue(
        reasons=[QueueReason("451 4.7.1 greylisted, see <a@b.example>", 3)], reasons_of_count=10
    )
    other = queue(
        reasons=[QueueReason("451 4.7.1 greylisted, see <c@d.example>", 4)], reasons_of_count=4
    )

    reasons = summary.sum_reasons([one, other])

    assert reasons.replies == [("451 4.7.1 greylisted, see <a@b.example>", 7)]
    assert reasons.classes == {"greylisted": 7}
    assert (reasons.of_count, reasons.rest) == (14, 7)


def test_listed_replies_and_the_two_rests_are_all_that_are_deferred():
    read = queue(
        deferred_count=600,
        reasons=[QueueReason(f"451 {chr(97 + n) * 4}", 10) for n in range(20)],
        reasons_of_count=500,
    )

    reasons = summary.sum_reasons([read], limit=5)

    assert [count for _, count in reasons.replies] == [10] * 5
    assert (reasons.classes.total(), reasons.rest, reasons.unread) == (50, 450, 100)


def test_destinations_add_up_over_queues_largest_first_and_the_smaller_ones_are_the_rest():
    one = queue(
        destinations=[destination("a.example", 1, 1, replies=["451 wait"]), destination("b", 1)],
        destinations_of_count=5,
        other_destinations=OtherDestinations(2, counts(0, 2)),
    )
    other = queue(
        destinations=[destination("a.example", 2, replies=["451 wait", "452 full"])],
        destinations_of_count=2,
    )

    largest = summary.sum_destinations([one, other], limit=1)

    assert largest.of_count == 7
    assert largest.domains == [destination("a.example", 3, 1, replies=["451 wait", "452 full"])]
    assert largest.rest == OtherDestinations(3, counts(1, 2))


def test_an_international_destination_is_one_however_it_is_spelled():
    one = queue(destinations=[destination("bücher.example", 1)], destinations_of_count=1)
    other = queue(destinations=[destination("xn--bcher-kva.example", 2)], destinations_of_count=2)

    largest = summary.sum_destinations([one, other], limit=9)

    assert largest.domains == [destination("xn--bcher-kva.example", 3)]


def test_the_mean_of_a_database_weighs_its_agents_by_their_readings_and_databases_add_up():
    rows = [
        bucket("mta-01", RS0, samples=3, waiting_count=10.0, oldest_s=60.0),
        bucket("mta-02", RS0, samples=1, waiting_count=2.0),
        bucket("mta-03", RS1, samples=2, waiting_count=5.0, oldest_s=90.0),
    ]

    databases, (average,) = summary.average_history(rows, 1)

    assert databases == average["databases_count"] == 2
    assert average["waiting_count"] == 8.0 + 5.0
    assert average["waiting_count_max"] == 10.0 + 5.0
    assert average["oldest_age_s_max"] == 90.0


def test_a_bucket_in_which_nothing_was_read_is_unknown():
    _, (_, empty) = summary.average_history([bucket("mta-01", RS0, waiting_count=1.0)], 2)

    assert empty.pop("databases_count") == 0
    assert set(empty.values()) == {None}


def test_totals_from_the_api_belong_to_the_database_that_the_node_read_before():
    rows = [
        bucket("mta-01", RS0, waiting_count=4.0),
        bucket("mta-01", "", place=1, waiting_count=6.0),
        bucket("mta-02", "", place=1, waiting_count=1.0),
    ]

    databases, (_, second) = summary.average_history(rows, 2)

    assert databases == 2
    assert second["waiting_count"] == 7.0


def test_the_history_of_two_standalone_databases_adds_up():
    rows = [
        bucket("mta-01", "alone/zone-mta@", waiting_count=10.0),
        bucket("mta-02", "alone/zone-mta@", waiting_count=20.0),
    ]

    databases, (average,) = summary.average_history(rows, 1)

    assert (databases, average["waiting_count"]) == (2, 30.0)
