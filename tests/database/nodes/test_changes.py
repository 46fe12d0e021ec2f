"""Changes of nodes: starts, versions and silences, recorded once and queried by range."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from server.nodes import queries, store
from server.nodes.models import Change, Node

pytestmark = pytest.mark.django_db
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
NAMES = ["kind", "subject", "before", "after"]


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def of(node: Node, kind: str):
    return Change.objects.filter(node=node, kind=kind).order_by("at", "pk")


def changes(now: datetime, *, back: timedelta = DAY, limit: int = 10, node: str | None = None):
    return queries.changes(now - back, now, now=now, limit=limit, node=node)


def test_a_start_reported_with_every_sample_is_recorded_once(node, now):
    start = store.Start(node.pk, "zonemta", now - MINUTE)
    store.record_starts([start, start._replace(at=start.at + SECOND)])
    store.record_starts([start._replace(at=start.at - 2 * SECOND)])
    store.record_starts([start._replace(at=start.at + 40 * SECOND), start])

    assert [each.at for each in of(node, "started")] == [start.at, start.at + 40 * SECOND]


def test_starts_of_a_wrong_clock_or_of_long_ago_are_left_out(node, now, settings):
    settings.NODE_CHANGES_RETENTION_DAYS = 30
    store.record_starts([store.Start(node.pk, "redis", now + DAY)])
    store.record_starts([store.Start(node.pk, "host", datetime(1, 1, 1, tzinfo=UTC))])
    store.record_starts([store.Start(node.pk, "mongodb", now - 31 * DAY)])

    assert not of(node, "started").exists()


def test_a_silence_is_recorded_when_it_ends_and_is_there_while_it_goes_on(node, now):
    store.record_contact(node.pk, now - 10 * MINUTE)
    store.record_contact(node.pk, now - 10 * MINUTE + 15 * SECOND)
    assert not of(node, "silent").exists()

    (goes_on,) = changes(now)
    assert (goes_on.kind, goes_on.node, goes_on.ended_at) == ("silent", "mta-01", None)
    assert goes_on.at == now - 10 * MINUTE + 15 * SECOND

    store.record_contact(node.pk, now)
    store.record_contact(node.pk, now)
    (over,) = changes(now + SECOND)
    assert (over.at, over.ended_at) == (goes_on.at, now)
    node.refresh_from_db()
    assert node.last_seen_at == now


def test_another_version_is_recorded_with_the_one_before_and_the_first_is_no_change(now):
    def register(**versions: str) -> Node:
        return store.register("mta-01", {"agent_version": "0.1.0", "versions": versions})

    register(zonemta="3.10.0", node="20.1")
    register(zonemta="3.10.0", node="20.1")
    assert changes(timezone.now()) == []

    register(node="20.1")  # its agent does not see ZoneMTA while that is upgraded
    register(zonemta="3.11.0", node="20.1")

    (change,) = changes(timezone.now())
    assert (change.kind, change.subject, change.before, change.after) == (
        "version", "zonemta", "3.10.0", "3.11.0",
    )  # fmt: skip


def test_a_node_known_before_changes_were_recorded_has_its_version_to_compare_with(node):
    Node.objects.update(agent_version="0.1.0", versions={"haraka": "3.1.1"})

    store.register("mta-01", {"agent_version": "0.2.0", "versions": {"haraka": "3.1.1"}})

    (change,) = changes(timezone.now())
    assert (change.subject, change.before, change.after) == ("agent", "0.1.0", "0.2.0")


def test_changes_past_their_retention_are_deleted_with_the_next_change(node, now, settings):
    store.record_starts([store.Start(node.pk, "zonemta", now - 40 * DAY)])
    settings.NODE_CHANGES_RETENTION_DAYS = 30
    store.record_starts([store.Start(node.pk, "zonemta", now - DAY)])

    assert [each.at for each in of(node, "started")] == [now - DAY]


def test_of_many_changes_the_newest_are_answered_and_retired_nodes_only_when_named(node, now):
    store.record_starts([store.Start(node.pk, "zonemta", now - i * MINUTE) for i in range(1, 9)])

    assert [each.at for each in changes(now, limit=3)] == [now - i * MINUTE for i in (3, 2, 1)]
    assert len(changes(now, back=5 * MINUTE + SECOND)) == 5

    Node.objects.update(retired_at=now)
    assert changes(now) == []
    assert len(changes(now, node="mta-01")) == 8


def test_a_silence_that_began_before_the_range_is_answered_when_it_reaches_into_it(node, now):
    store.record_silence(node.pk, now - 2 * DAY, now - 23 * timedelta(hours=1))
    store.record_silence(node.pk, now - 2 * DAY, now)
    store.record_silence(node.pk, now - 9 * DAY, now - 8 * DAY)

    assert [each.at for each in changes(now)] == [now - 2 * DAY]


def test_two_queries_suffice_however_many_nodes_there_are(now, django_assert_num_queries):
    for name in range(30):
        store.record_contact(store.register(f"n-{name}", {}).pk, now - DAY)

    with django_assert_num_queries(2):
        assert len(changes(now, limit=100, back=2 * DAY)) == 30


def test_versions_that_go_back_and_forth_leave_a_bounded_number_of_changes(node, now):
    for n in range(store.MAX_CHANGES_OF_ONE + 20):
        store.register(node.name, {"versions": {"redis": f"7.{n % 2}", "mongodb": "7.0"}})

    assert of(node, "version").filter(subject="redis").count() == store.MAX_CHANGES_OF_ONE
    assert of(node, "version").filter(subject="mongodb").count() == 1
    assert of(node, "version").last().after == f"7.{(store.MAX_CHANGES_OF_ONE + 19) % 2}"


def test_a_program_that_starts_over_and_over_keeps_its_newest_starts_and_those_of_others(node, now):
    store.record_starts([store.Start(node.pk, "redis", now - DAY)])
    starts = [store.Start(node.pk, "zonemta", now - n * MINUTE) for n in range(1_000)]
    for n in range(0, 1_000, 100):
        store.record_starts(starts[n : n + 100])

    kept = of(node, "started").filter(subject="zonemta")
    assert (kept.count(), kept.last().at) == (store.MAX_CHANGES_OF_ONE, starts[0].at)
    assert of(node, "started").filter(subject="redis").exists()


def test_invented_programs_leave_a_bounded_number_of_changes(node):
    for n in range(60):
        store.register(node.name, {"versions": {f"p{n}-{k}": "1" for k in range(50)}})

    assert Change.objects.count() == store.MAX_CHANGES


def test_maintenance_is_recorded_from_its_beginning_to_its_end(node, now):
    for minutes, in_maintenance in enumerate([True, True, False, False, True]):
        node.in_maintenance = in_maintenance
        store.record_maintenance(node, now + minutes * MINUTE)

    assert list(of(node, "maintenance").values_list("at", "ended_at")) == [
        (now, now + 2 * MINUTE),
        (now + 4 * MINUTE, None),
    ]
