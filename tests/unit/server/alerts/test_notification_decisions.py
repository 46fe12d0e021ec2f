"""Decisions of notifications: each flip once to each channel, and nobody of what is suppressed."""

from datetime import UTC, datetime

import pytest

from server.alerts.matchers import matches_pattern
from server.alerts.notifications.decisions import Flip, Route, decide_notifications

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NIGHT = Route("night", ("phone", "chat"), severities=("critical",))
ALL = Route("all", ("chat",))


def flip(**values):
    defaults = {
        "alert_id": 7,
        "rule": "node_silent",
        "severity": "critical",
        "kind": "node",
        "subject": "mta-01",
        "node": "mta-01",
        "at": NOW,
        "to_state": "firing",
    }
    return Flip(**defaults | values)


def test_a_flip_goes_once_to_each_channel_by_the_first_route_that_names_it():
    drafts = decide_notifications(flip(), [NIGHT, ALL])

    assert [(d.kind, d.route, d.channel) for d in drafts] == [
        ("firing", "night", "phone"),
        ("firing", "night", "chat"),
    ]
    assert len({d.idempotency_key for d in drafts}) == 2


def test_the_same_flip_decided_again_has_the_same_keys():
    assert decide_notifications(flip(), [ALL]) == decide_notifications(flip(), [ALL])
    (firing,) = decide_notifications(flip(), [ALL])
    (resolved,) = decide_notifications(flip(to_state="ok", was_notified=True), [ALL])
    (other,) = decide_notifications(flip(alert_id=8), [ALL])
    assert len({firing.idempotency_key, resolved.idempotency_key, other.idempotency_key}) == 3


@pytest.mark.parametrize(
    "values",
    [
        {"suppression": "silenced"},
        {"to_state": "pending"},
        {"to_state": "no_data"},
        {"to_state": "recovering"},
        {"to_state": "firing", "was_notified": True},
        {"to_state": "ok", "was_notified": False},
    ],
)
def test_nobody_is_notified_of(values):
    assert decide_notifications(flip(**values), [ALL]) == []


def test_the_all_clear_comes_though_the_alert_was_silenced_meanwhile():
    late = flip(to_state="ok", suppression="silenced", was_notified=True)

    assert [d.kind for d in decide_notifications(late, [ALL])] == ["resolved"]


def test_a_route_takes_only_what_all_its_matchers_match():
    of_mtas = Route("mtas", ("chat",), rules=("node_silent",), node="mta-*")

    assert decide_notifications(flip(), [of_mtas])
    assert not decide_notifications(flip(node="db-01"), [of_mtas])
    assert not decide_notifications(flip(rule="disk_full"), [of_mtas])


@pytest.mark.parametrize(
    ("text", "pattern", "is_match"),
    [
        ("mta-01", "", True),
        ("mta-01", "mta-01", True),
        ("mta-01", "mta", False),
        ("mta-01", "*", True),
        ("mta-01", "mta-*", True),
        ("mta-01", "*-01", True),
        ("mta-01", "m*-*1", True),
        ("aba", "ab*ba", False),
        ("mta-01.example", "*.[a-z]*", False),
        ("a" * 400, "*a" * 200 + "b", False),
    ],
)
def test_a_star_stands_for_any_text_and_nothing_else_is_special(text, pattern, is_match):
    assert matches_pattern(text, pattern) is is_match
