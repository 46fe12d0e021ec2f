"""A mail queue that several agents read is counted once; unassigned mail is shown as such."""

from datetime import timedelta

import pytest

from server.mailqueues.accounting import Reading, count_once, qualify
from server.metrics.mail_queue import MailQueue
from tests.factories import NOW, RS0, mail_queue


def reading(node, of, *, seconds_ago=5, **of_node):
    at = NOW - timedelta(seconds=seconds_ago)
    detail = (at, of) if of.source == "mongodb" else None
    return Reading(node, at, of, timedelta(seconds=90), detail, **of_node)


def from_api(node, waiting, *, seconds_ago=5, known=None):
    of = MailQueue(source="api", zones=[], active_count=waiting, deferred_count=0)
    at = NOW - timedelta(seconds=seconds_ago)
    return Reading(node, at, of, timedelta(seconds=90), known)


def by_node(database):
    return {share.node: share.count for share in database.shares}


def test_a_shared_queue_is_counted_once_each_share_by_its_own_agent():
    a = reading("mta-01", mail_queue("mta-01", mta_01=5, mta_02=2, no=3), seconds_ago=20)
    b = reading("mta-02", mail_queue("mta-02", mta_01=4, mta_02=1, no=2))

    (database,) = count_once([a, b], NOW)

    assert by_node(database) == {"mta-01": 5, "mta-02": 1}
    assert database.unassigned.count == 2
    assert database.stranded == ()
    assert database.waiting == 5 + 1 + 2
    assert database.nodes == ("mta-01", "mta-02")
    assert database.reading.node == "mta-02"


def test_two_databases_are_two_queues():
    a = reading("mta-01", mail_queue("mta-01", mta_01=5))
    b = reading("mta-02", mail_queue("mta-02", "rs1/zone-mta@h", mta_02=1))

    assert [database.waiting for database in count_once([a, b], NOW)] == [5, 1]


def test_the_mail_of_an_instance_no_agent_knows_is_stranded():
    a = reading("mta-01", mail_queue("mta-01", mta_01=5, gone=7, no=1))

    (database,) = count_once([a], NOW)

    assert [(share.instance, share.count, share.node) for share in database.stranded] == [
        ("gone", 7, None)
    ]
    assert database.waiting == 13


def test_where_an_agent_does_not_report_its_instance_it_is_not_known_what_is_stranded():
    a = reading("mta-01", mail_queue("mta-01", mta_01=5, default=7, no=1))
    b = reading("mta-02", mail_queue(None, mta_01=5, default=7, no=1), seconds_ago=9)

    (database,) = count_once([a, b], NOW)

    assert database.stranded is None
    assert [share.instance for share in database.unclaimed] == ["default"]
    assert by_node(database) == {"mta-01": 5, "mta-02": None}
    assert database.waiting == 13


def test_an_agent_alone_with_its_database_need_not_report_its_instance():
    (database,) = count_once([reading("mta-01", mail_queue(None, default=7, no=1))], NOW)

    assert by_node(database) == {"mta-01": 7}
    assert database.stranded == ()


@pytest.mark.parametrize(
    ("seconds_ago", "of_node"),
    [(3600, {}), (6 * 86_400, {}), (6 * 86_400, {"is_retired": True}), (5, {"is_retired": True})],
)
def test_the_mail_of_a_node_that_is_silent_or_retired_is_stranded_as_one_that_reads_counts_it(
    seconds_ago, of_node
):
    gone = mail_queue("mta-01", mta_01=500, mta_02=1)
    gone = reading("mta-01", gone, seconds_ago=seconds_ago, **of_node)
    other = reading("mta-02", mail_queue("mta-02", mta_01=20, mta_02=1))

    (database,) = count_once([gone, other], NOW)

    (share,) = database.stranded
    assert (share.node, share.instance, share.count) == ("mta-01", "mta-01", 20)
    assert (share.reader, share.stale) == ("mta-02", False)
    assert by_node(database) == {"mta-02": 1}
    assert database.waiting == 21


def test_in_maintenance_silence_is_expected_and_strands_nothing():
    silent = mail_queue("mta-01", mta_01=500, mta_02=1)
    silent = reading("mta-01", silent, seconds_ago=3600, in_maintenance=True)
    other = reading("mta-02", mail_queue("mta-02", mta_01=20, mta_02=1))

    (database,) = count_once([silent, other], NOW)

    (first, _) = database.shares
    assert (first.node, first.count, first.reader, first.stale) == ("mta-01", 20, "mta-02", False)
    assert (database.stranded, database.waiting) == ((), 21)


def test_of_a_silent_agent_without_an_instance_it_is_known_again_what_is_stranded():
    silent = reading("mta-01", mail_queue(None, old=3, mta_02=1), seconds_ago=3600)
    other = reading("mta-02", mail_queue("mta-02", old=3, mta_02=1))

    (database,) = count_once([silent, other], NOW)

    assert [(share.instance, share.count) for share in database.stranded] == [("old", 3)]
    assert by_node(database) == {"mta-02": 1}


def test_a_node_that_replaces_a_dead_one_under_its_instance_has_that_share():
    dead = reading("mta-01", mail_queue("mta-01", mta_01=500), seconds_ago=3600)
    heir = reading("mta-09", mail_queue("mta-01", mta_01=20))

    (database,) = count_once([dead, heir], NOW)

    assert (by_node(database), database.stranded) == ({"mta-09": 20}, ())
    assert database.waiting == 20


def test_an_instance_that_two_agents_call_their_own_is_counted_once():
    a = reading("mta-01", mail_queue("default", default=10))
    b = reading("mta-02", mail_queue("default", default=10))

    (database,) = count_once([a, b], NOW)

    assert by_node(database) == {"mta-01": 10, "mta-02": None}
    assert database.waiting == 10


@pytest.mark.parametrize("instance", ["mta-01", None])
def test_mail_that_waits_in_the_queue_of_a_retired_node_alone_is_stranded(instance):
    of = mail_queue(instance, mta_01=5, no=2)
    retired = reading("mta-01", of, seconds_ago=86_400, is_retired=True)

    (database,) = count_once([retired], NOW)

    assert (database.shares, database.waiting) == ((), 7)
    assert [(share.instance, share.count) for share in database.stranded] == [("mta-01", 5)]


def test_an_empty_queue_of_a_retired_node_is_gone_with_it():
    retired = reading("mta-01", mail_queue("mta-01", mta_01=0), is_retired=True)

    assert count_once([retired], NOW) == []


@pytest.mark.parametrize(
    "name",
    [
        "alone/zone-mta@",
        "rs0/zone-mta@127.0.0.1:27017",
        "rs0/zone-mta@127.0.1.1:27017",
        "rs0/zone-mta@localhost:27017",
        "rs0/zone-mta@LOCALHOST:27018",
        "rs0/zone-mta@[::1]:27017",
    ],
)
def test_databases_whose_names_mean_another_machine_on_each_node_are_two_queues(name):
    a = reading("mta-01", mail_queue("mta-01", name, mta_01=10))
    b = reading("mta-02", mail_queue("mta-02", name, mta_02=20))

    databases = count_once([a, b], NOW)

    assert [database.waiting for database in databases] == [10, 20]
    of = name.partition("@")[0]
    assert [database.name for database in databases] == [f"{of}@mta-01", f"{of}@mta-02"]
    assert [database.stranded for database in databases] == [(), ()]


def test_a_name_that_means_one_machine_is_kept():
    for name in (RS0, "rs0/zone-mta@db.local:27017", "alone/zone-mta@db1:27017", "db"):
        assert qualify(name, "mta-01") == name


def test_when_all_are_silent_the_last_known_is_reported_as_stale():
    silent = reading("mta-01", mail_queue("mta-01", mta_01=500), seconds_ago=3600)

    (database,) = count_once([silent], NOW)

    assert database.waiting == 500
    assert database.shares[0].stale
    assert database.reading.is_stale(NOW)


def test_from_the_api_totals_are_known_and_nothing_else():
    (database,) = count_once([from_api("mta-01", 9)], NOW)

    assert (database.name, database.waiting, by_node(database)) == (None, 9, {"mta-01": 9})
    assert database.unassigned is None
    assert database.stranded is None
    assert database.detail is None


def test_an_agent_that_lost_its_database_is_not_counted_beside_one_that_reads_it():
    earlier = (NOW - timedelta(minutes=5), mail_queue("mta-01", mta_01=5, mta_02=1))
    lost = from_api("mta-01", 6, known=earlier)
    other = reading("mta-02", mail_queue("mta-02", mta_01=4, mta_02=1), seconds_ago=30)

    (database,) = count_once([lost, other], NOW)

    assert database.waiting == 5
    assert by_node(database) == {"mta-01": 4, "mta-02": 1}


def test_without_an_agent_that_reads_the_database_the_api_gives_its_total_and_details_are_old():
    earlier = (NOW - timedelta(minutes=5), mail_queue("mta-01", mta_01=5))

    (database,) = count_once([from_api("mta-01", 6, known=earlier)], NOW)

    assert (database.name, database.waiting) == (RS0, 6)
    assert database.detail == earlier


def test_without_readings_there_is_nothing():
    assert count_once([], NOW) == []
