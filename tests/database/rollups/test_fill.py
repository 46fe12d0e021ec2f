"""`manage.py fill`: generated history, full days and parts of days, once."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command

from server.demo import history, mail
from server.metrics.models import SystemSample
from server.nodes.models import Node
from server.rollups.levels import LEVELS
from tests.factories import count_differences, row, stored_events, write

pytestmark = pytest.mark.django_db
UNTIL = "2026-11-21T12:00:00Z"
NOW = datetime.fromisoformat(UNTIL)


@pytest.fixture(autouse=True)
def frozen():
    with time_machine.travel(NOW, tick=False):
        yield


def fill(**options):
    out, err = StringIO(), StringIO()
    call_command("fill", until=options.pop("until", NOW), stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def test_the_same_seed_fills_nothing_twice():
    fill(hours=2, events_per_hour=100)
    count = len(stored_events())

    again, _ = fill(hours=2, events_per_hour=100)

    assert count > 100
    assert ": 0 new events" in again
    assert len(stored_events()) == count


def test_every_generated_event_is_labelled_by_its_node_name():
    fill(hours=1, events_per_hour=100)

    assert all(each["mta_node"].startswith("generated-") for each in stored_events())


def test_a_time_without_zone_is_refused_with_the_fix():
    with pytest.raises(CommandError, match="no time zone"):
        fill(until=datetime(2026, 11, 21, 12))  # noqa: DTZ001


def test_a_cluster_without_nodes_is_refused():
    with pytest.raises(CommandError, match="2 at least"):
        fill(nodes=1)


@pytest.mark.usefixtures("committing_database")
def test_days_are_copied_whole_counted_exactly_and_not_twice():
    output, progress = fill(days=3, events_per_day=1_200, nodes=8, samples_every_s=3_600)

    generated = [
        row
        for hour in mail.hours(NOW - timedelta(days=3), NOW)
        for row in mail.hour_of_events(hour, events_per_hour=50, seed=1, nodes=8)
        if NOW - timedelta(days=3) <= row["occurred_at"] < NOW
    ]
    stored = [each["event_id"] for each in stored_events()]
    assert set(stored) == {row["event_id"] for row in generated}
    assert len(stored) == len(generated) > 3_000
    assert f"{len(generated)} new events" in output
    assert len(progress.splitlines()) == 4
    assert [count_differences(level) for level in LEVELS] == [0] * len(LEVELS)

    again, _ = fill(days=3, events_per_day=1_200, nodes=8, samples_every_s=3_600)

    assert ": 0 new events" in again
    assert len(stored_events()) == len(generated)
    assert [count_differences(level) for level in LEVELS] == [0] * len(LEVELS)


@pytest.mark.usefixtures("committing_database")
def test_a_run_that_was_cut_short_is_finished_by_the_next():
    invented = history.History(events_per_hour=40, nodes=4, seed=1)
    days = list(history.split_days(NOW - timedelta(days=2), NOW))
    half = history.DayPart(days[1].start, days[1].start + timedelta(hours=7, minutes=30))
    history.fill_events(invented, half)

    fill(days=2, events_per_hour=40)
    once = len(stored_events())
    fill(days=2, events_per_hour=40)

    assert len(stored_events()) == once
    assert [count_differences(level) for level in LEVELS] == [0] * len(LEVELS)


@pytest.mark.usefixtures("committing_database")
def test_a_day_that_has_mail_of_its_own_keeps_it():

    write(row(occurred_at=NOW - timedelta(days=1)))

    fill(days=2, events_per_hour=20)

    assert len(stored_events(mta_node="mta-01")) == 1
    assert [count_differences(level) for level in LEVELS] == [0] * len(LEVELS)


@pytest.mark.usefixtures("committing_database")
def test_nodes_and_their_samples_are_filled_and_a_dead_node_sends_none():
    seed = next(
        seed for seed in range(99)
        if mail.incidents(NOW - timedelta(days=1), seed=seed, nodes=6).dead_node
    )  # fmt: skip
    wrong = mail.incidents(NOW - timedelta(days=1), seed=seed, nodes=6)
    midnight = NOW.replace(hour=0)

    for _ in range(2):
        fill(days=1, until=midnight, events_per_hour=10, nodes=6, seed=seed, samples_every_s=600)

    assert set(Node.objects.values_list("name", flat=True)) == set(mail.cluster(6).nodes)
    assert Node.objects.filter(last_seen_at=midnight).count() == 6
    of_node = Counter(SystemSample.objects.values_list("node__name", flat=True))
    dead = of_node.pop(wrong.dead_node)
    assert set(of_node.values()) == {144}
    assert 144 - 19 <= dead < 144
    first = midnight - timedelta(hours=24 - wrong.dead_hours[0] - 1)
    last = midnight - timedelta(hours=24 - wrong.dead_hours[1])
    sent = stored_events(mta_node=wrong.dead_node, event_type="sent")
    assert not [each for each in sent if first <= each["occurred_at"] < last]


def day_of(seed, **wanted):
    return [
        row
        for hour in mail.hours(NOW.replace(hour=0), NOW.replace(hour=0) + timedelta(days=1))
        for row in mail.hour_of_events(hour, events_per_hour=1_000, seed=seed, nodes=5)
        if all(row.get(name) == value for name, value in wanted.items())
    ]


def test_one_destination_defers_most_in_its_hour_and_hardly_any_in_others():
    deferred = Counter(
        row["occurred_at"].hour
        for row in day_of(3, event_type="deferred", to_domain=mail.INCIDENT_DESTINATION)
    )

    assert deferred[mail.INCIDENT_HOUR] > 5 * max(
        count for hour, count in deferred.items() if abs(hour - mail.INCIDENT_HOUR) > 1
    )


def test_a_blocked_address_gets_refusals_from_most_and_only_while_it_is():
    seed = next(s for s in range(99) if mail.incidents(NOW, seed=s, nodes=5).blocked_address)
    wrong = mail.incidents(NOW, seed=seed, nodes=5)
    rows = day_of(seed, sending_ip=wrong.blocked_address)

    refusals = [row for row in rows if row.get("bounce_category") == "blacklist"]
    assert len(refusals) > 20
    first, last = wrong.blocked_hours
    for refused in refusals:  # a retry may come a while after its message
        at = refused["occurred_at"]
        assert first - 1 / 60 <= at.hour + at.minute / 60 < last + 2


def test_a_large_cluster_has_a_long_tail_of_destinations():
    rows = [
        row["to_domain"]
        for row in mail.hour_of_events(NOW, events_per_hour=20_000, seed=1, nodes=20)
        if row["event_type"] == "sent"
    ]

    most = Counter(rows).most_common()
    assert len(most) > 500
    assert most[0][0] == "gmail.example"
    assert sum(count for _, count in most[:10]) > 0.6 * len(rows)


def test_more_events_an_hour_add_to_those_of_fewer():
    few, many = (
        {r["event_id"] for r in mail.hour_of_events(NOW, events_per_hour=n, seed=1)}
        for n in (100, 300)
    )

    assert few < many


def test_a_day_is_whole_by_itself():
    late = NOW.replace(hour=23)

    rows = list(mail.hour_of_events(late, events_per_hour=20_000, seed=1))

    assert max(row["occurred_at"] for row in rows) < datetime(2026, 11, 22, tzinfo=UTC)


def test_days_whose_raw_events_are_not_kept_are_refused_for_their_counts_are_all_there_is():
    with pytest.raises(CommandError, match="kept whole"):
        fill(days=200)
