"""The replay of alerts: each incident is notified once, noise is none, and faults are seen."""

import random

import pytest

from server.alerts.conditions.catalogue import DEFAULT_RULES
from tests.incidents.alert_replay import Verdict, replay_troubles
from tests.incidents.cluster import INCIDENTS, NOISE, Trouble, generate_troubles

HOURS = 1 / 24


def test_each_incident_is_notified_once_and_noise_is_not_critical():
    of_nodes = {"node": "mta-01", "queue": "mta-02", "program": "mta-03", "block": "", "zone": ""}
    incidents = [Trouble(*each, is_truth=True) for each in [
        *((kind, 1_007.0, 3_600.0, node) for kind, node in of_nodes.items()),
        ("primary", 6_307.0, 6_900.0),  # apart: it hides what writes to MongoDB
    ]]  # fmt: skip
    noise = [Trouble("maintenance", 100, 5_000, "mta-09"), Trouble("busy", 100, 600, "mta-10")]
    noise += [Trouble("flap", 700 * n, 700 * n + 100, "mta-11") for n in range(1, 8)]
    noise += [Trouble("restart", 4_000, 4_014, "mta-12"), Trouble("blind", 5_200, 5_700, "mta-12")]
    noise += [Trouble("election", 6_000, 6_025), Trouble("burst", 4_500, 5_500, "mta-13")]
    troubles = sorted([*incidents, *noise], key=lambda trouble: trouble.start)

    verdict = replay_troubles(2 * HOURS, troubles, random.Random(1))

    assert verdict.is_good, list(verdict.format_text())
    assert verdict.as_json() == {
        "incidents": 6, "notified": 6, "missed": 0, "false": 0, "duplicate": 0
    }  # fmt: skip
    assert verdict.false == []
    assert max(verdict.delays_s) <= 15


def test_what_is_labelled_and_does_not_happen_is_missed_and_the_other_way_round_false():
    wrong = Trouble("primary", 300, 600)
    labelled = Trouble("program", 300, 600, "mta-02", is_truth=True)
    labelled_elsewhere = Trouble("node", 10**9, 10**9 + 1, "mta-01", is_truth=True)

    verdict = replay_troubles(0.3 * HOURS, [wrong, labelled, labelled_elsewhere], random.Random(1))

    assert [each.kind for each in verdict.missed] == ["node"]
    assert [each.split()[2] for each in verdict.false] == ["mongodb_no_primary"]
    assert not verdict.is_good


@pytest.mark.parametrize("false", [0, 4, 5])
def test_one_false_critical_a_week_is_allowed(false):
    assert Verdict(30, [], false=["x"] * false).is_good == (false <= 30 / 7)


def test_every_kind_is_in_a_month_and_its_rules_are_critical_ones_that_exist():
    troubles = generate_troubles(30, random.Random(1))
    assert {each.kind for each in troubles} == {*INCIDENTS, *NOISE}
    assert all(DEFAULT_RULES[name].severity == "critical"
               for each in troubles if each.is_truth for name in each.rules)  # fmt: skip
