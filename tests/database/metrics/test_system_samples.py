"""System samples: from the ingest endpoint to their tables and the state of the node."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
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
    bad["timestamp"] = "soon"

    answer = post("metrics/system", [bad, good]).json()

    assert answer["queued"] == 1
    assert "timestamp" in answer["rejected"][0]["error"]


def test_readings_that_cannot_be_read_are_stored_as_unknown_and_the_others_as_they_are(
    post, golden, admin_client
):
    sample = golden("metrics_system.json")
    sample["system"] |= {
        "cpu_percent": 101,
        "cpu_cores": None,
        "load_avg": "high",
        "uptime_seconds": -1,
        "net_rx_errors": 2**70,
    }

    assert post("metrics/system", sample).json() == {"queued": 1, "rejected": []}
    writer.drain_samples()

    stored = SystemSample.objects.get()
    unknown = [stored.cpu_percent, stored.load_1m, stored.uptime_seconds, stored.net_rx_errors]
    assert unknown == [None] * 4
    assert stored.cpu_core_percents == []
    assert (stored.ram_used_percent, stored.tcp_established) == (41.2, 42)
    for path in ("/", "/nodes/", "/nodes/named/mta-01/", "/api/v1/metrics/system"):
        assert admin_client.get(path).status_code == 200


def test_the_version_before_has_no_samples_with_unknown_readings(post, golden):
    known, unknown = golden("metrics_system.json"), golden("metrics_system.json")
    unknown["system"]["cpu_percent"] = None
    unknown["node_id"] = known["node_id"]
    unknown["timestamp"] = (timezone.now() - timedelta(minutes=1)).isoformat()
    post("metrics/system", [known, unknown])
    writer.drain_samples()
    try:
        call_command("migrate", "metrics", "0005_file_systems", verbosity=0)
        kept = [sample.cpu_percent for sample in SystemSample.objects.all()]
    finally:
        call_command("migrate", "metrics", verbosity=0)

    assert kept == [12.5]


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
