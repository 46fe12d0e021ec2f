"""The agent's half of the contract."""

import json
from datetime import UTC, datetime

import msgspec

from agent import samples, wire
from agent.collectors import SystemCollector
from agent.config import Config
from agent.discovery import Discovered
from agent.registration import build_node


def test_event_ids_follow_the_shared_vectors(golden):
    contract = golden("event_id.json")

    assert str(wire.EVENT_NAMESPACE) == contract["namespace"]
    for vector in contract["vectors"] + contract["numbered_vectors"]:
        made = wire.event_id(
            vector["program"],
            vector["queue_id"],
            vector.get("queue_seq") or vector["recipient"],
            vector["event_type"],
            vector["n"],
        )
        assert str(made) == vector["event_id"], vector["why"]


def test_a_system_sample_has_exactly_the_published_names(golden):
    contract = golden("metrics_system.json")

    sample = json.loads(SystemCollector(node="mta-01").collect())

    assert sample.keys() == contract.keys()
    assert sample["system"].keys() == contract["system"].keys()
    for its in sample["processes"].values():
        assert its.keys() == contract["processes"]["zonemta"].keys()
    assert sample["system"]["cpu_cores"][0].keys() == contract["system"]["cpu_cores"][0].keys()


def test_the_golden_sample_reads_as_ours(golden):
    contract = golden("metrics_system.json")

    sample = msgspec.convert(contract, samples.SystemSample, strict=False)

    assert sample.system.uptime_seconds == 86400
    assert json.loads(msgspec.json.encode(sample))["processes"] == contract["processes"]
    assert sample.services == contract["services"]


def test_a_node_introduces_itself_with_exactly_the_published_names(golden):
    node = build_node(
        Config(node_id="mta-01", node_role="zonemta-outbound"), Discovered(), "mta-01.example"
    )

    assert msgspec.to_builtins(node).keys() == golden("node.json").keys()


def test_the_events_envelope_is_json_with_its_numbering(golden):
    contract = golden("events_batch.json")
    bodies = [json.dumps(event).encode() for event in contract["events"]]

    body = wire.events_body(
        contract["epoch"], contract["first_seq"], bodies, dropped=contract["dropped"]
    )

    assert json.loads(body) == contract


def test_every_golden_event_reads_as_an_event_a_plugin_may_report(golden):
    for event in golden("events_batch.json")["events"]:
        received = msgspec.convert(event, wire.ReceivedEvent, strict=False)
        assert received.queue_id or received.event_type in {"login", "login_failed"}


def test_what_is_unknown_of_an_event_is_absent():
    event = wire.EmailEvent(
        event_id=wire.event_id("zonemta", "q", "a@b.c", "sent"),
        occurred_at=datetime(2026, 11, 21, tzinfo=UTC),
        event_type="sent",
        direction="outbound",
        mta_node="mta-01",
        queue_id="q",
        to_address="a@b.c",
        source="change_stream",
        certainty="reported",
    )

    assert "status_code" not in json.loads(msgspec.json.encode(event))
