"""Zones in which mail is due and nothing is tried."""

from datetime import timedelta

import pytest

from server.mailqueues.accounting import Reading, count_once
from server.mailqueues.silent_zones import SILENT_AFTER, find_candidates, find_silent_zones
from server.metrics.mail_queue import MailQueue, ZoneQueue
from tests.factories import NOW, RS0

FRESH = timedelta(seconds=90)


def read(at=NOW, *, node="mta-01", **due):
    """Return the queue with so many due in each zone."""
    queue = MailQueue(
        source="mongodb",
        zones=[ZoneQueue(zone, count, 7) for zone, count in due.items()],
        active_count=sum(due.values()),
        deferred_count=0,
        database=RS0,
        shares=[],
    )
    return count_once([Reading(node, at, queue, FRESH, detail=(at, queue))], at)


def names(found):
    return [each.zone for each in found]


def test_a_zone_whose_mail_is_due_and_untried_is_silent():
    candidates = find_candidates(
        read(default=5, slow=9), read(NOW - SILENT_AFTER, default=1, slow=2), NOW
    )

    silent = find_silent_zones(candidates, {"mta-01": {"other"}})

    assert [(each.zone, each.due_count, each.since) for each in silent] == [
        ("slow", 9, NOW - SILENT_AFTER),
        ("default", 5, NOW - SILENT_AFTER),
    ]


def test_an_attempt_on_any_of_its_nodes_ends_the_silence():
    candidates = find_candidates(
        read(default=5, slow=9), read(NOW - SILENT_AFTER, default=1, slow=2), NOW
    )

    assert names(find_silent_zones(candidates, {"mta-01": {"slow"}})) == ["default"]
    assert names(find_silent_zones(candidates, {"mta-09": {"slow"}})) == ["slow", "default"]


@pytest.mark.parametrize(
    ("newest", "earlier", "now"),
    [
        pytest.param(read(default=0), read(NOW - SILENT_AFTER, default=1), NOW, id="all deferred"),
        pytest.param(read(default=1), read(NOW - SILENT_AFTER, default=0), NOW, id="due just now"),
        pytest.param(read(default=1), read(NOW - SILENT_AFTER, slow=1), NOW, id="another zone"),
        pytest.param(read(default=1), [], NOW, id="never read before"),
        pytest.param(
            read(default=1), read(NOW - 4 * SILENT_AFTER, default=1), NOW, id="not read meanwhile"
        ),
        pytest.param(
            read(default=1), read(NOW - timedelta(minutes=1), default=1), NOW, id="a minute ago"
        ),
        pytest.param(
            read(default=1), read(NOW - SILENT_AFTER, default=1), NOW + timedelta(minutes=5),
            id="not read in time",
        ),
    ],
)  # fmt: skip
def test_what_is_not_known_to_have_been_due_all_the_time_is_no_silent_zone(newest, earlier, now):
    assert find_candidates(newest, earlier, now) == []
