"""Rounds of the evaluator on the real database: from the first bad reading to the all-clear."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server.alerts.conditions.catalogue import DEFAULT_RULES
from server.alerts.evaluator.rounds import run_round
from server.alerts.models import (
    Alert,
    AlertTransition,
    Evaluation,
    Incident,
    MutedRule,
    OutboxNotification,
    Silence,
)
from server.nodes.models import Node
from server.observability.backlog import NOTHING_WAITS, Backlog

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_route")]
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_a_silent_node_fires_once_and_its_return_is_the_all_clear(make_node, watch, fired):
    make_node(contact_s=0)
    watch(0, 45)
    assert fired() == {}

    watch(60, 75)
    assert fired() == {"node_silent mta-01": "firing"}
    watch(90, 180)
    assert fired()["node_silent_long mta-01"] == "firing"

    Node.objects.update(last_seen_at=NOW + timedelta(seconds=190))
    watch(195, 225)
    assert fired() == {}
    sent = OutboxNotification.objects.values_list("transition__alert__rule", "kind")
    assert sorted(sent) == [
        ("node_silent", "firing"),
        ("node_silent", "resolved"),
        ("node_silent_long", "firing"),
        ("node_silent_long", "resolved"),
    ]
    (incident,) = Incident.objects.all()
    assert (incident.severity, incident.ended_at) == ("critical", NOW + timedelta(seconds=225))
    assert incident.text.startswith("mta-01 is silent for ")


def test_every_flip_is_in_the_history_with_its_evidence(make_node, watch):
    make_node(contact_s=0)
    watch(0, 75)
    Node.objects.update(last_seen_at=NOW + timedelta(seconds=76))
    watch(90, 120)

    flips = AlertTransition.objects.values_list("from_state", "to_state", "value")
    assert list(flips) == [
        ("ok", "firing", 60.0),
        ("firing", "recovering", 14.0),
        ("recovering", "ok", 44.0),
    ]
    first = AlertTransition.objects.first()
    assert first.evidence == {"last_contact_at": NOW.isoformat()}
    assert first.text == "mta-01 is silent for 1 min"
    last = AlertTransition.objects.last()
    assert last.text == "Over after 1 min, now 44 s. It was: mta-01 is silent for 1 min"


def test_a_silent_node_hides_its_programs_which_stay_visible_under_it(
    make_node, sample, watch, fired, states
):
    node = make_node(role="zonemta")
    for after_s in (-15, 0):
        sample(node, after_s, {"zonemta": "stopped"}, cpu_percent=99.0)
    watch(0, 30)
    assert fired() == {"program_stopped mta-01/zonemta": "firing"}
    assert states()["cpu_high mta-01"] == "pending"
    program = Alert.objects.get(rule="program_stopped")

    watch(60, 150)

    program.refresh_from_db()
    cause = Alert.objects.get(rule="node_silent_long")
    assert (program.state, program.suppression) == ("no_data", "inhibited")
    assert (program.inhibited_by, program.incident) == (cause, cause.incident)
    merged = Incident.objects.exclude(pk=cause.incident_id).get()
    assert (merged.merged_into, merged.ended_at is None) == (cause.incident, False)
    assert OutboxNotification.objects.filter(transition__alert=program).count() == 1

    for after_s in (160, 175):
        sample(node, after_s, {"zonemta": "stopped"})
    watch(180, 210)
    program.refresh_from_db()
    assert (program.state, program.suppression, program.ended_at) == ("firing", "", None)
    assert OutboxNotification.objects.filter(transition__alert=program).count() == 1


def test_nothing_is_fine_while_its_source_is_stale(make_node, sample, evaluate, states):
    node = make_node(role="zonemta")
    sample(node, 0)
    evaluate(0)
    assert states() == {}

    evaluate(200)

    assert states(fired_at=None) == {"cpu_high mta-01": "no_data", "memory_high mta-01": "no_data"}
    assert not AlertTransition.objects.exclude(alert__rule__startswith="node_silent").exists()


def test_no_node_is_silent_for_what_the_server_did_not_watch_or_store(make_node, evaluate, states):
    make_node(contact_s=0)
    evaluate(0)
    evaluate(3_600)  # the first round after an hour without any
    assert "node_silent mta-01" not in states()
    evaluate(3_615)
    evaluate(3_661)
    assert states()["node_silent mta-01"] == "firing"


def test_no_node_is_silent_while_redis_does_not_answer(make_node, evaluate, fired, states):
    make_node(contact_s=0)
    evaluate(0)
    for after_s in (15, 30, 45, 60, 75):
        evaluate(after_s, backlog=Backlog(is_known=False))

    assert fired() == {"redis_silent redis": "firing"}
    assert states()["node_silent mta-01"] == "no_data"


def test_waiting_batches_make_no_node_silent(make_node, evaluate, fired):
    make_node(contact_s=0)
    for after_s in range(0, 91, 15):
        oldest_at, now = NOW + timedelta(seconds=5), NOW + timedelta(seconds=after_s)
        evaluate(after_s, backlog=Backlog(events=9, oldest_at=oldest_at, worker_at=now))

    assert fired() == {"inbox_waits inbox": "firing"}


def test_a_node_in_maintenance_neither_fires_nor_ends(make_node, watch, fired):
    make_node("mta-01")
    make_node("mta-02", in_maintenance=True)
    watch(0, 60)
    assert fired() == {"node_silent mta-01": "firing"}

    Node.objects.update(in_maintenance=True)
    watch(75, 180)

    alert = Alert.objects.get(rule="node_silent")
    assert (alert.state, alert.suppression) == ("firing", "maintenance")
    assert OutboxNotification.objects.count() == 1


def test_a_retired_node_has_no_alerts(make_node, watch, states):
    make_node()
    watch(0, 60)
    Node.objects.update(retired_at=NOW)

    watch(75, 75)

    assert states() == {}


@pytest.mark.parametrize("how", ["silenced", "muted"])
def test_what_is_suppressed_is_visible_and_notifies_when_that_ends(how, make_node, watch):
    ends_at = NOW + timedelta(seconds=100)
    if how == "silenced":
        Silence.objects.create(
            node="mta-*", starts_at=NOW, ends_at=ends_at, reason="move", author="anna"
        )
    else:
        MutedRule.objects.create(rule="node_silent", at=NOW, author="anna", reason="noise")
    make_node()
    watch(0, 60)
    alert = Alert.objects.get(rule="node_silent")
    assert (alert.state, alert.suppression) == ("firing", how)
    assert not OutboxNotification.objects.exists()

    MutedRule.objects.all().delete()
    watch(105, 105)

    alert.refresh_from_db()
    assert alert.suppression == ""
    (sent,) = OutboxNotification.objects.all()
    assert (sent.kind, sent.incident) == ("firing", alert.incident)
    assert [t.suppression for t in alert.transitions.all()] == [how, ""]


def test_nodes_that_fall_silent_together_are_one_incident(make_node, watch):
    for number in range(5):
        make_node(f"mta-{number}", contact_s=number)

    watch(0, 75)

    (incident,) = Incident.objects.all()
    assert incident.alerts.count() == 5
    assert incident.text == "mta-0 is silent for 1 min (and 4 more)"


def test_a_rule_that_cannot_be_read_stops_no_other(make_node, evaluate, states, monkeypatch):
    def fail(*_):
        raise ValueError("absurd")

    broken = replace(DEFAULT_RULES["cpu_high"].condition, read=fail)
    rule = replace(DEFAULT_RULES["cpu_high"], condition=broken)
    monkeypatch.setitem(DEFAULT_RULES, "cpu_high", rule)
    make_node()
    run_round(NOW, backlog=NOTHING_WAITS, is_forced=True)

    done = run_round(NOW + timedelta(seconds=60), backlog=NOTHING_WAITS, is_forced=True)

    assert done.failures == {"cpu_high": "ValueError: absurd"}
    assert Evaluation.objects.get().failures == done.failures
    assert states()["node_silent mta-01"] == "firing"


def test_hostile_names_are_stored_as_text(make_node, sample, evaluate, states):
    name = "\u202emta<script>`*_[x](http://x)"
    node = make_node(name)
    sample(node, 0, {"'; DROP TABLE": "stopped"}, file_systems=None, disk_used_percent=99.0)
    evaluate(0)
    evaluate(60)

    assert f"disk_almost_full {name}:/" in states()
