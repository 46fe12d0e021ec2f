"""Evidence of an alert: which figure shows it, over which time, with which gaps and marks."""

from datetime import timedelta

import pytest

from server.alerts.conditions.catalogue import DEFAULT_RULES
from server.alerts.evidence.metrics import (
    METRICS,
    OfFileSystem,
    find_events,
    find_metric,
    split_block,
)
from server.alerts.evidence.series import (
    AFTER,
    BEFORE,
    MAX_DISTANCE,
    Mark,
    add_gaps,
    blank_unknown,
    build_marks,
    build_points,
    build_silence,
    find_events_span,
    find_span,
)
from server.alerts.models import Alert, AlertTransition, State
from server.dashboard.pages.incidents.page import build_events_link
from tests.factories import NOW

MINUTE = timedelta(minutes=1)


def alert(started_ago=10 * MINUTE, fired_after=MINUTE, ended_after=None):
    started_at = NOW - started_ago
    return Alert(
        rule="disk_almost_full",
        severity="critical",
        subject="mta-01:/",
        started_at=started_at,
        fired_at=started_at + fired_after,
        ended_at=started_at + ended_after if ended_after else None,
    )


def flip(after, before, state):
    return AlertTransition(at=NOW + after, from_state=before, to_state=state)


def test_each_metric_is_of_a_condition_and_in_the_unit_of_its_threshold():
    conditions = {rule.condition.name: rule.condition for rule in DEFAULT_RULES.values()}
    for name, metric in METRICS.items():
        threshold = conditions[name].threshold
        assert not metric.is_judged or threshold is None or threshold.unit == metric.unit, name


def test_a_file_system_that_is_no_root_is_read_from_what_its_samples_list():
    root, other = (find_metric("disk_low", f"mta-01:{point}") for point in ("/", "/srv/a:/b"))

    assert (root.label, root.source) == ("Free on mta-01:/", METRICS["disk_low"].source)
    assert (other.label, other.source) == ("Free on mta-01:/srv/a:/b", OfFileSystem("/srv/a:/b"))
    assert other.is_judged
    assert find_metric("program_stopped", "mta-01/zonemta") is None


@pytest.mark.parametrize(
    ("subject", "parts", "dimension", "value"),
    [
        ("M 365 ip 192.0.2.7", ("M 365", "ip", "192.0.2.7"), "provider_ip", "M 365 192.0.2.7"),
        ("gmail provider", ("gmail", "provider", ""), "provider", "gmail"),
        ("gmail sender @a.example", ("gmail", "sender", "@a.example"), "provider", "gmail"),
        ("odd", ("odd", "provider", ""), "provider", "odd"),
    ],
)
def test_a_block_is_shown_by_what_its_provider_refuses(subject, parts, dimension, value):
    assert split_block(subject) == parts
    metric = find_metric("provider_blocking", subject)
    assert (metric.source.dimension, metric.value) == (dimension, value)


def test_the_events_behind_an_alert_are_those_of_its_kind_and_time():
    failing = {"bounced": 1, "deferred": 9}
    assert find_events("destination_failing", "a.example", "", failing) == {
        "event_type": "deferred",
        "to_domain": "a.example",
    }
    blocked = find_events("provider_blocking", "g ip 192.0.2.7", "", {"bounce_class": "policy"})
    assert blocked == {"provider": "g", "bounce_class": "policy", "sending_ip": "192.0.2.7"}
    refused = find_events("sender_refused", "g sender @a.example", "", {})
    assert refused == {"provider": "g", "from_domain": "a.example"}
    assert find_events("cpu_high", "mta-01", "mta-01", {}) == {}


def test_the_link_to_the_events_fixes_their_time_and_keeps_the_rest_of_the_address(settings):
    link = build_events_link(
        alert(ended_after=4 * MINUTE), {"event_type": "deferred"}, {"range": "7d", "tz": "UTC"}, NOW
    )

    assert link.startswith("/events/?direction=outbound&type=deferred&tz=UTC&from=")
    assert "range=" not in link
    assert build_events_link(alert(), {}, {}, NOW) == ""


def test_an_hour_before_the_onset_is_shown_until_now_or_just_past_the_end():
    open_one, over = alert(), alert(started_ago=9 * 60 * MINUTE, ended_after=5 * MINUTE)

    assert (find_span(open_one, NOW).start, find_span(open_one, NOW).end) == (
        open_one.started_at - BEFORE,
        NOW,
    )
    assert find_span(over, NOW).end == over.ended_at + AFTER
    assert find_events_span(over, NOW)[1] == over.ended_at


def test_the_onset_of_an_alert_is_marked_before_its_flips():
    flips = [flip(MINUTE, "pending", "firing"), flip(MINUTE, "firing", "firing")]

    assert build_marks(alert(), flips) == [
        Mark(NOW - 10 * MINUTE, State.PENDING),
        Mark(NOW + MINUTE, "firing"),
    ]
    at_once = alert(fired_after=timedelta())
    assert [mark.state for mark in build_marks(at_once, flips)] == ["firing"]


def test_buckets_without_a_value_are_gaps_and_those_to_come_are_left_out():
    edges = [NOW + i * MINUTE for i in range(4)]

    assert build_points(edges, {0: 5.0}, NOW + MINUTE) == [(NOW, 5.0), (NOW + MINUTE, None)]


def test_silence_rises_from_each_contact_to_the_next_and_to_the_end():
    assert build_silence([NOW, NOW + MINUTE], NOW + 3 * MINUTE) == [
        (NOW, 0.0),
        (NOW + MINUTE, 60.0),
        (NOW + MINUTE, 0.0),
        (NOW + 3 * MINUTE, 120.0),
    ]
    assert build_silence([], NOW) == []


def test_readings_far_apart_have_a_gap_between_them():
    far = NOW + 3 * MAX_DISTANCE
    assert add_gaps([(NOW, 1), (NOW + MINUTE, 2), (far, 3)]) == [
        (NOW, 1),
        (NOW + MINUTE, 2),
        (NOW + MINUTE + MAX_DISTANCE, None),
        (far, 3),
    ]


def test_nothing_is_drawn_while_the_evaluator_had_no_data():
    marks = [
        Mark(NOW, "firing"),
        Mark(NOW + MINUTE, "no_data"),
        Mark(NOW + 3 * MINUTE, "firing"),
    ]
    points = [(NOW + i * MINUTE, 1.0) for i in range(4)]

    values = [value for _, value in blank_unknown(points, marks, NOW + 4 * MINUTE)]
    assert values == [1.0, None, None, 1.0]
    assert blank_unknown(points, [], NOW) == points
