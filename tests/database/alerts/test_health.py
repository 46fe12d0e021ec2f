"""The evaluator in /health/ready, and the alerts in /metrics."""

from datetime import timedelta

import pytest
from django.utils import timezone

from server.alerts import health
from server.alerts.evaluator.rounds import run_round
from server.alerts.models import Evaluation
from server.nodes.models import Node
from server.observability.backlog import NOTHING_WAITS

pytestmark = pytest.mark.django_db


def test_before_the_first_round_there_is_nothing_to_look_at():
    assert health.alerts() is None
    assert list(health.rounds()) == []


def test_a_round_that_is_late_or_a_rule_that_fails_makes_it_not_ready():
    run_round(timezone.now(), backlog=NOTHING_WAITS)
    assert health.alerts().ok

    Evaluation.objects.update(failures={"cpu_high": "ValueError: absurd"})
    assert "cannot be evaluated: cpu_high" in health.alerts().text
    Evaluation.objects.update(started_at=timezone.now() - timedelta(seconds=90))
    assert (health.alerts().ok, health.alerts().needed) == (False, False)
    assert "for 90 s" in health.alerts().text


def test_the_metrics_count_open_alerts_and_name_the_rules_that_do_not_fire():
    now = timezone.now()
    Node.objects.create(name="mta-01", last_seen_at=now - timedelta(hours=1))
    run_round(now - timedelta(seconds=55), backlog=NOTHING_WAITS)
    run_round(now, backlog=NOTHING_WAITS)

    counts = {(m.labels["rule"], m.labels["state"]): m.value for m in health.open_alerts()}
    assert counts["node_silent", "firing"] == 1
    assert counts["node_silent_long", "firing"] == 0
    assert counts["cpu_high", "no_data"] == 1
    assert {m.name: m.value for m in health.rounds()}["mallard_alert_rounds_total"] == 2
