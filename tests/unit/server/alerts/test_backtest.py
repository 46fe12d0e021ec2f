"""Back-test: the replay of a history fires when the evaluator did over the same minutes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.alerts.backtest.history import join_buckets, mail_track
from server.alerts.backtest.replay import Firing, Point, Track, replay
from server.alerts.conditions.condition import Subject
from server.alerts.definitions.parser import parse_definition
from server.alerts.evaluator.evaluation import evaluate
from server.alerts.models import State
from server.alerts.snapshot import MailMinute, Resources, Snapshot, WatchedNode
from server.metrics.newest import NodeState

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
START_S = int(NOW.timestamp())
NODE = Subject("node", "mta-01", "mta-01")


def rule(name, **written):
    return parse_definition(name, written, "").rule


def watch(of, snapshots):
    """Return the firings that the evaluator sees in the snapshots of some minutes."""
    alerts, firings = [], []
    for snapshot in snapshots:
        outcomes = evaluate([of], snapshot, alerts).outcomes
        firings += [
            (outcome.before.fired_at, snapshot.now)
            for outcome in outcomes
            if outcome.before.fired_at and outcome.after.state is State.OK
        ]
        alerts = [outcome.alert for outcome in outcomes if outcome.alert.ended_at is None]
    firings += [(alert.fired_at, None) for alert in alerts if alert.fired_at]
    return sorted(firings, reverse=True)


def times(firings):
    return [
        tuple(s and datetime.fromtimestamp(s, UTC) for s in (one.fired_s, one.ended_s))
        for one in firings
    ]


#: A machine may be slow.
AT_LEISURE = settings(max_examples=60)
CPU = st.sampled_from([None, 10.0, 80.0, 99.0])
LENGTHS = st.integers(1, 8)


@AT_LEISURE
@given(
    st.lists(st.tuples(CPU, LENGTHS), min_size=1, max_size=12),
    st.sampled_from(["0 s", "1 min", "3 min"]),
    st.sampled_from(["0 s", "1 min", "5 min"]),
)
def test_a_replay_of_means_fires_when_the_evaluator_did(runs, for_, keep):
    values = [value for value, length in runs for _ in range(length)]
    of = rule("cpu_high", **{"for": for_, "keep_firing_for": keep})
    snapshots = [
        Snapshot(
            NOW + timedelta(minutes=n),
            nodes={"mta-01": WatchedNode("mta-01")},
            states=[NodeState("mta-01", "", None, None, [], {}, [])] if value is not None else [],
            resources={"mta-01": Resources(cpu_percent=value)},
        )
        for n, value in enumerate(values)
    ]
    points = [
        Point(START_S + 60 * n, START_S + 60 * n + 60, value) for n, value in enumerate(values)
    ]

    firings = replay(of, [Track(NODE, points)], START_S + 60 * len(values))

    assert times(firings) == watch(of, snapshots)
    # A run of equal minutes is one point, and what is not known a gap between two.
    merged, at = [], START_S
    for value, length in runs:
        if value is not None:
            merged.append(Point(at, at + 60 * length, value))
        at += 60 * length
    if runs[0][0] is not None:
        assert times(replay(of, [Track(NODE, merged)], at)) == watch(of, snapshots)


MINUTES = st.tuples(st.integers(0, 40), st.integers(0, 20), st.integers(0, 5), LENGTHS)


@pytest.mark.parametrize("name", ["bounce_share", "nothing_delivered", "delivery_slow"])
@AT_LEISURE
@given(
    runs=st.lists(MINUTES, min_size=1, max_size=10),
    window=st.sampled_from(["1 min", "5 min", "10 min"]),
    for_=st.sampled_from(["0 s", "2 min"]),
)
def test_a_replay_of_mail_fires_when_the_evaluator_did(name, runs, window, for_):
    of = rule(name, **{"window": window, "for": for_, "keep_firing_for": "1 min"})
    rows = [row for *row, length in runs for _ in range(length)]
    minutes = [
        MailMinute(NOW + timedelta(minutes=n), ok, bad, late, 9_000 * bad * ok, ok)
        for n, (ok, bad, late) in enumerate(rows)
    ]
    snapshots = [Snapshot(minute.at, minutes=minutes[: n + 1]) for n, minute in enumerate(minutes)]
    known = [
        minute for minute in minutes if any((minute.delivered, minute.bounced, minute.deferred))
    ]

    track = mail_track(of, known)

    firings = replay(of, [track], START_S + 60 * len(minutes))
    assert times(firings) == watch(of, snapshots)


def test_a_firing_has_its_worst_value_and_one_that_goes_on_has_no_end():
    of = rule("disk_low", **{"for": "0 s", "keep_firing_for": "0 s"})
    values = [50, 10, 3, 12, 50, 14]
    points = [Point(300 * n, 300 * n + 300, value) for n, value in enumerate(values)]

    assert replay(of, [Track(NODE, points)], 1_800) == [
        Firing(NODE, 1_500, None, 14), Firing(NODE, 300, 1_200, 3),
    ]  # fmt: skip


def test_only_subjects_that_the_rule_matches_are_replayed():
    of = rule("cpu_high", **{"node": "mx-*", "for": "0 s"})
    other = Subject("node", "mx-01", "mx-01")
    tracks = [Track(subject, [Point(0, 600, 99.0)]) for subject in (NODE, other)]

    assert [firing.subject for firing in replay(of, tracks, 600)] == [other]


def test_buckets_that_were_fine_are_joined_and_gaps_stay():
    rows = [(0, 1.0, False), (1_200, 90.0, True), (3_000, 1.0, True)]

    assert join_buckets(rows, fine=75) == [
        Point(0, 300, 1.0),
        Point(300, 1_200, 75),
        Point(1_200, 1_500, 90.0),
        Point(3_000, 3_300, 1.0),
    ]
