"""Cost of a round: its queries do not grow with nodes, subjects or rules."""

from datetime import UTC, datetime, timedelta

import pytest

from server.alerts.evaluator.rounds import run_round
from server.alerts.models import Alert
from server.observability.backlog import NOTHING_WAITS
from tests.factories import add_sick_nodes

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MAX_QUERIES = 25


@pytest.mark.parametrize("nodes_count", [2, 40])
def test_a_round_takes_as_many_queries_for_many_nodes_as_for_few(nodes_count):
    add_sick_nodes(nodes_count, NOW)
    rounds = [
        run_round(NOW + timedelta(seconds=s), backlog=NOTHING_WAITS, is_forced=True)
        for s in (0, 15, 30)
    ]

    assert Alert.objects.filter(rule="program_stopped", state="firing").count() == nodes_count
    assert Alert.objects.filter(rule="disk_almost_full", state="firing").count() == 3 * nodes_count
    assert max(each.queries_count for each in rounds) <= MAX_QUERIES
