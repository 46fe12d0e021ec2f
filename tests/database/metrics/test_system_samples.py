"""System samples: from the ingest endpoint to their tables and the state of the node."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from server.ingest import writer
from server.ingest.inbox import SAMPLES
from server.metrics.models import SystemSample
from server.nodes import store as nodes
from server.nodes.models import Node

pytestmark = pytest.mark.usefixtures("committing_database")


@pytest.fixture
def golden(golden):
    """Read a sample of the contract as one of this moment."""
    return lambda name: golden(name) | {"timestamp": timezone.now().isoformat()}


def test_the_golden_sample_is_stored_once_and_the_node_seen(post, golden):
    sample = golden("metrics_system.json")
    assert post("metrics/system", sample).json() == {"queued": 1, "rejected": []}
    assert post("metrics/system", [sample, sample], pack=True).status_code == 202

    writer.drain_samples()

    stored = SystemSample.objects.get()
    assert (stored.node.name, stored.cpu_percent) == ("mta-01", 12.5)
    assert stored.cpu_core_percents == [20.0, 5.0]
    assert (stored.load_1m, stored.load_15m) == (0.5, 0.3)
    assert SAMPLES.length() == 0
    seen_at = Node.objects.get().last_seen_at
    assert seen_at
    assert timezone.now() - seen_at < timedelta(minutes=1)


def test_the_first_sample_has_no_rates(post, golden):
    sample = golden("metrics_system.json")
    for name in ("disk_read", "disk_write", "net_rx", "net_tx"):
        sample["system"][f"{name}_bytes_sec"] = None
    post("metrics/system", sample)

    writer.drain_samples()

    assert SystemSample.objects.get().net_rx_bytes_sec is None


def test_a_bad_sample_is_refused_alone(post, golden):
    good, bad = golden("metrics_system.json"), golden("metrics_system.json")
    bad["system"]["cpu_percent"] = 101

    answer = post("metrics/system", [bad, good]).json()

    assert answer["queued"] == 1
    assert "cpu_percent" in answer["rejected"][0]["error"]


def test_a_sample_of_another_node_than_the_keys_refuses_the_batch_until_an_operator_mends_it(
    post, golden
):
    answer = post("metrics/system", golden("metrics_system.json") | {"node_id": "mta-02"})

    assert answer.status_code == 403
    assert (answer.json()["key_node"], answer.json()["node"]) == ("mta-01", "mta-02")


def test_last_seen_moves_forward_only(node):
    late = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
    nodes.mark_seen(node.pk, late)
    nodes.mark_seen(node.pk, late - timedelta(minutes=5))

    node.refresh_from_db()
    assert node.last_seen_at == late
